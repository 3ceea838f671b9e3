"""Any corpus described by one table: a CSV file with a header line, or a Parquet file.

Columns: ``path`` (relative to the manifest, or absolute), ``label`` (bonafide, spoof), ``split`` (train, dev, eval);
optional ``utterance_id`` (default: the path without its suffix, with ``_`` for white space), ``speaker`` and
``attack``. Further columns become channel facts.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet

from cluster.errors import SpoofsweepError
from data_prep.corpora.layout import Layout
from data_prep.corpora.protocol import Faults, LineError, check_attack, parse_key, read_text, without_blanks
from data_prep.utterance import NO_ATTACK, SPLITS, UNKNOWN_ATTACK, UNKNOWN_SPEAKER, Corpus, Utterance

_NAME = "manifest"
_SUFFIXES = (".csv", ".parquet")
_REQUIRED = ("path", "label", "split")
_OPTIONAL = ("utterance_id", "speaker", "attack")
_Row = dict[str, str | None]


def _parse(manifest: Path, subset: str | None) -> Corpus:
    """Blank lines, CRLF ends and a byte-order mark of a CSV file are tolerated."""
    faults = Faults()
    rows = _parquet_rows(manifest) if manifest.suffix.lower() == ".parquet" else _csv_rows(manifest)
    utterances = []
    for number, row in rows:
        try:
            utterances.append(_utterance(row, manifest.parent))
        except LineError as error:
            faults.add(manifest, number, ",".join(str(value) for value in row.values()), str(error))
    faults.check()
    return Corpus(_NAME, manifest.parent, tuple(utterances), (manifest,))


def _csv_rows(manifest: Path) -> Iterator[tuple[int, _Row]]:
    """Rows with the numbers of their lines."""
    rows = csv.DictReader(io.StringIO(read_text(manifest), newline=""), restkey="", strict=True)
    begun = 1
    try:
        _check_header(manifest, rows.fieldnames or [])
        begun = rows.line_num + 1
        for row in rows:
            yield rows.line_num, row
            begun = rows.line_num + 1
    except csv.Error as error:
        found = f"{manifest}: {error}, in what begins at line {begun}"
        raise SpoofsweepError("a manifest must be well-formed CSV", found, "close every quotation mark") from error


def _parquet_rows(manifest: Path) -> Iterator[tuple[int, _Row]]:
    """Rows with their numbers from 1; a missing value is an empty one."""
    try:
        with manifest.open("rb") as file:
            table = pyarrow.parquet.read_table(file)
    except pyarrow.ArrowInvalid as error:
        found = f"{manifest} ({error})"
        raise SpoofsweepError("a manifest must be a Parquet or CSV file", found, "write it again") from error
    _check_header(manifest, table.column_names)
    for number, row in enumerate(table.to_pylist(), start=1):
        yield number, {name: "" if value is None else str(value) for name, value in row.items()}


def _check_header(manifest: Path, columns: Sequence[str]) -> None:
    missing = [column for column in _REQUIRED if column not in columns]
    if missing:
        raise SpoofsweepError(
            f"{manifest}: the header must name the columns {', '.join(_REQUIRED)}",
            f"{', '.join(columns) or 'nothing'}",
            f"add {', '.join(missing)}",
        )


def _utterance(row: _Row, folder: Path) -> Utterance:
    if "" in row or None in row.values():
        raise LineError("as many fields as the header expected")
    values = {column: str(value).strip() for column, value in row.items()}
    if not values["path"]:
        raise LineError("the path must not be empty")
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
        utterance_id=values.get("utterance_id") or without_blanks(str(Path(values["path"]).with_suffix(""))),
        path=folder / values["path"],
        split=values["split"],
        speaker=values.get("speaker") or UNKNOWN_SPEAKER,
        attack=attack,
        label=label,
        channel={column: value for column, value in values.items() if column not in _REQUIRED + _OPTIONAL and value},
    )


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
