"""Any corpus described by one table: a CSV file with a header line, or a Parquet file.

Columns: ``path`` (relative to the manifest, or absolute), ``label`` (bonafide, spoof), ``split`` (train, dev, eval);
optional ``utterance_id`` (default: the path without its suffix, with ``_`` for white space), ``speaker`` and
``attack``. Further columns become channel facts.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pyarrow
import pyarrow.parquet

from cluster.errors import SpoofsweepError
from data_prep.corpora.layout import Layout
from data_prep.corpora.protocol import Faults, LineError, check_attack, csv_rows, parse_key, without_blanks
from data_prep.remote_files import is_remote
from data_prep.utterance import NO_ATTACK, SPLITS, UNKNOWN_ATTACK, UNKNOWN_SPEAKER, Corpus, Utterance

_NAME = "manifest"
_SUFFIXES = (".csv", ".parquet")
_REQUIRED = ("path", "label", "split")
_OPTIONAL = ("utterance_id", "speaker", "attack")


def _parse(manifest: Path, subset: str | None) -> Corpus:
    """Blank lines, CRLF ends and a byte-order mark of a CSV file are tolerated."""
    faults = Faults()
    rows = _parquet_rows(manifest) if manifest.suffix.lower() == ".parquet" else csv_rows(manifest)
    _, header = next(rows, (0, []))
    _check_header(manifest, header)
    utterances = []
    for number, row in rows:
        try:
            utterances.append(_utterance(header, row, manifest.parent))
        except LineError as error:
            faults.add(manifest, number, ",".join(row), str(error))
    faults.check()
    return Corpus(_NAME, manifest.parent, tuple(utterances), (manifest,))


def _parquet_rows(manifest: Path) -> Iterator[tuple[int, list[str]]]:
    """The names of the columns, and the rows with their numbers from 1; a missing value is an empty one."""
    try:
        with manifest.open("rb") as file:
            table = pyarrow.parquet.read_table(file)
    except pyarrow.ArrowInvalid as error:
        found = f"{manifest} ({error})"
        raise SpoofsweepError("a manifest must be a Parquet or CSV file", found, "write it again") from error
    yield 0, table.column_names
    for number, row in enumerate(zip(*(column.to_pylist() for column in table.columns), strict=True), start=1):
        yield number, ["" if value is None else str(value) for value in row]


def _check_header(manifest: Path, columns: Sequence[str]) -> None:
    missing = [column for column in _REQUIRED if column not in columns]
    if missing:
        raise SpoofsweepError(
            f"{manifest}: the header must name the columns {', '.join(_REQUIRED)}",
            f"{', '.join(columns) or 'nothing'}",
            f"add {', '.join(missing)}",
        )


def _utterance(header: list[str], row: list[str], folder: Path) -> Utterance:
    if len(row) != len(header):
        raise LineError("as many fields as the header expected")
    # A column without a name is the row number that tools write beside a table.
    values = {column: value.strip() for column, value in zip(header, row, strict=True) if column}
    file = PurePosixPath(values["path"])
    if file.name in ("", ".."):
        raise LineError(f"the path must name a file, found {values['path']!r}")
    if values["split"] not in SPLITS:
        raise LineError(f"the split must be one of {', '.join(SPLITS)}, found {values['split']!r}")
    for column in ("utterance_id", "attack"):
        # Score files separate their columns by white space.
        if re.search(r"\s", values.get(column, "")):
            raise LineError(f"give an {column} without white space, found {values[column]!r}")
    label = parse_key(values["label"])
    attack = values.get("attack") or (NO_ATTACK if label == "bonafide" else UNKNOWN_ATTACK)
    check_attack(attack, label)
    return Utterance(
        utterance_id=values.get("utterance_id") or without_blanks(str(file.with_suffix(""))),
        path=_file(folder, values["path"]),
        split=values["split"],
        speaker=values.get("speaker") or UNKNOWN_SPEAKER,
        attack=attack,
        label=label,
        channel={column: value for column, value in values.items() if column not in _REQUIRED + _OPTIONAL and value},
    )


def _file(folder: Path, name: str) -> Path:
    """The file ``name`` as seen from ``folder``, without ``..``, by which its conversion would leave its folder too."""
    path = folder / name
    return path if is_remote(path) or ".." not in path.parts else Path(os.path.normpath(path))


LAYOUT = Layout(
    name=_NAME,
    title="Any corpus described by a table",
    marks="name a CSV or Parquet file itself, with the columns path, label and split",
    audio="as the column path tells",
    source="",
    holds=lambda root: root.is_file() and root.suffix.lower() in _SUFFIXES,
    parse=_parse,
    is_generic=True,
)
