"""Any corpus described by one CSV file with a header line.

Columns: ``path`` (relative to the manifest, or absolute), ``label`` (bonafide, spoof), ``split`` (train, dev, eval);
optional ``utterance_id`` (default: the path without its suffix, with ``_`` for white space), ``speaker`` and
``attack``. Further columns become channel facts.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.corpora.protocol import Faults, LineError, parse_label, read_text
from data_prep.utterance import NO_ATTACK, SPLITS, UNKNOWN_SPEAKER, Corpus, Utterance

_REQUIRED = ("path", "label", "split")
_OPTIONAL = ("utterance_id", "speaker", "attack")
UNKNOWN_ATTACK = "unknown"


def read(manifest: Path) -> Corpus:
    """Parse the CSV file ``manifest``; blank lines, CRLF ends and a byte-order mark are tolerated.

    Raises:
        SpoofsweepError: it is missing, lacks a required column, or holds malformed lines or quotes.
    """
    if manifest.is_dir():
        raise SpoofsweepError(
            "corpus.root must name the CSV file itself", manifest, "add the file's name to corpus.root"
        )
    rows = csv.DictReader(io.StringIO(read_text(manifest), newline=""), restkey="", strict=True)
    faults = Faults()
    utterances = []
    begun = 1
    try:
        _check_header(manifest, rows.fieldnames or [])
        begun = rows.line_num + 1
        for row in rows:
            try:
                utterances.append(_utterance(row, manifest.parent))
            except LineError as error:
                faults.add(manifest, rows.line_num, ",".join(str(value) for value in row.values()), str(error))
            begun = rows.line_num + 1
    except csv.Error as error:
        found = f"{manifest}: {error}, in what begins at line {begun}"
        raise SpoofsweepError("a manifest must be well-formed CSV", found, "close every quotation mark") from error
    faults.check()
    return Corpus("csv", manifest.parent, tuple(utterances), (manifest,))


def _check_header(manifest: Path, columns: Sequence[str]) -> None:
    missing = [column for column in _REQUIRED if column not in columns]
    if missing:
        raise SpoofsweepError(
            f"{manifest}: the header must name the columns {', '.join(_REQUIRED)}",
            f"{', '.join(columns) or 'nothing'}",
            f"add {', '.join(missing)}",
        )


def _utterance(row: dict[str, str | None], folder: Path) -> Utterance:
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
    attack = values.get("attack") or (NO_ATTACK if values["label"] == "bonafide" else UNKNOWN_ATTACK)
    return Utterance(
        utterance_id=values.get("utterance_id") or re.sub(r"\s", "_", str(Path(values["path"]).with_suffix(""))),
        path=folder / values["path"],
        split=values["split"],
        speaker=values.get("speaker") or UNKNOWN_SPEAKER,
        attack=attack,
        label=parse_label(values["label"], attack),
        channel={column: value for column, value in values.items() if column not in _REQUIRED + _OPTIONAL and value},
    )
