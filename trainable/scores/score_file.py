"""Reads the score and key files of the field: text tables of which each challenge has its own.

Columns are parted by white space or commas, and may have a header. Scores are higher for bona fide.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cluster.errors import SpoofsweepError
from data_prep.utterance import LABELS, NO_ATTACK, UNKNOWN_ATTACK
from trainable.scores.scores import NO_CORPUS, NO_GROUPS, ScoreTable

_KEYS = {"bonafide": "bonafide", "bona-fide": "bonafide", "genuine": "bonafide", "human": "bonafide", "spoof": "spoof"}
_KEYS |= {"fake": "spoof", "real": "bonafide"}
_UTTERANCE = {"filename", "utterance", "utt", "file", "trial"}
"""Any of these among the first line's fields makes it a header."""
_LAYOUTS = {
    2: "utterance key",
    4: "speaker utterance attack key",  # ASVspoof 2015
    5: "speaker utterance environment attack key",  # 2019
    7: "utterance key speaker phrase environment playback recorder",  # 2017
    8: "speaker utterance codec transmission attack key trim subset",  # 2021 LA
    10: "speaker utterance gender codec codec_quality codec_seed attack_tag attack key -",  # 5
    12: "speaker utterance room microphone distance attacker_room attacker_microphone device attacker_distance "
    "key trim subset",  # 2021 PA
    13: "speaker utterance codec source attack key trim subset vocoder task team genders language",  # 2021 DF
}
"""Columns of the key files, by their number, with the names that `data_prep.corpora` gives them."""
_SUBSET = "eval"
"""What the published figures of ASVspoof 2021 are about."""
_REMEDY = "see `spoofsweep score --help`"


@dataclass(frozen=True)
class _Rows:
    """A text table: the number of each line, and its fields, as many in each."""

    path: Path
    numbers: list[int]
    columns: list[list[str]]
    header: tuple[str, ...] | None

    def fault(self, row: int, rule: str, value: str) -> SpoofsweepError:
        return SpoofsweepError(rule, f"{value!r} ({self.path}, line {self.numbers[row]})", _REMEDY)


def read_scores(path: Path, keys: Path | None = None) -> ScoreTable:
    """Scores with what they are about.

    Args:
        path: lines `utterance attack key score [corpus]`; with ``keys`` any table of an utterance and, as its last
            column or under the header ``cm-score``, a score.
        keys: protocol or key file of an ASVspoof edition, lines `utterance key`, or a table with a header, as
            `ScoreTable.write_keys` writes it; of ASVspoof 2021 the subset ``eval`` counts.

    Raises:
        SpoofsweepError: a file is missing or empty, a line is malformed (with its number), or a score has no key.
    """
    rows = _read_rows(path)
    return _with_own_keys(rows) if keys is None else _with_keys(rows, _read_rows(keys))


class VerificationScores(NamedTuple):
    """Scores ``[N]`` by kind of trial."""

    target: NDArray[np.float64]
    nontarget: NDArray[np.float64]
    spoof: NDArray[np.float64]


def read_verification_scores(path: Path) -> VerificationScores:
    """Scores of a speaker verification system, or of one that decides about speaker and spoof at once.

    Args:
        path: any table with a column of `target`, `nontarget` and `spoof`, and the score in its last column of numbers.

    Raises:
        SpoofsweepError: the file is missing or empty, a line is malformed, or a kind of trial lacks.
    """
    rows = _read_rows(path)
    kinds = next((np.array(column) for column in rows.columns if set(column) == set(_KINDS)), None)
    if kinds is None:
        raise SpoofsweepError(
            "speaker verification scores need a column of `target`, `nontarget` and `spoof`",
            path,
            "add the keys to the file",
        )
    score = _score_column(rows)
    return VerificationScores(*(score[kinds == kind] for kind in _KINDS))


def is_verification_file(path: Path) -> bool:
    """Whether the trials of a score file are target, nontarget and spoof."""
    return any(set(column) == set(_KINDS) for column in _read_rows(path).columns)


_KINDS = VerificationScores._fields


def _with_own_keys(rows: _Rows) -> ScoreTable:
    if len(rows.columns) not in (4, 5):
        raise SpoofsweepError(
            "a score line is `utterance attack bonafide|spoof score [corpus]`",
            f"{len(rows.columns)} columns ({rows.path})",
            "give the file of the keys by --keys",
        )
    names, attacks, keys, scores = rows.columns[:4]
    corpora = rows.columns[4] if len(rows.columns) == 5 else ("",) * len(names)
    return ScoreTable(
        utterance_id=list(names),
        attack=np.array(attacks),
        label=np.array(_labels(rows, keys)),
        corpus=_corpora(corpora),
        score=_numbers(rows, scores),
    )


def _with_keys(rows: _Rows, keys: _Rows) -> ScoreTable:
    key_columns = _named_columns(keys)
    row_of = {name: row for row, name in enumerate(key_columns["utterance"])}
    names = max(rows.columns, key=lambda column: len(row_of.keys() & set(column)))
    score = _score_column(rows)
    place = [row_of.get(name, -1) for name in names]
    if -1 in place:
        row = place.index(-1)
        raise rows.fault(row, f"every score needs its key in {keys.path}", names[row])
    subset = key_columns.get("subset") if keys.header is None else None
    kept = [i for i, row in enumerate(place) if subset is None or subset[row] == _SUBSET]
    order = [place[i] for i in kept]
    label = _labels(keys, key_columns["key"])
    corpus = key_columns.get("corpus")
    attack = key_columns.get("attack") or [NO_ATTACK if one == "bonafide" else UNKNOWN_ATTACK for one in label]
    return ScoreTable(
        utterance_id=[names[i] for i in kept],
        attack=np.array([NO_ATTACK if label[row] == "bonafide" else attack[row] for row in order]),
        label=np.array([label[row] for row in order]),
        corpus=_corpora([corpus[row] for row in order]) if corpus else np.full(len(order), ""),
        score=score[kept],
        groups={
            name: np.array([column[row] for row in order])
            for name, column in key_columns.items()
            if name not in NO_GROUPS
        },
    )


def _corpora(names: Iterable[str]) -> NDArray[np.str_]:
    return np.array(["" if name == NO_CORPUS else name for name in names])


def _named_columns(keys: _Rows) -> dict[str, Sequence[str]]:
    """The columns of a key file by name."""
    names = _LAYOUTS.get(len(keys.columns), "").split()
    if keys.header is not None:
        known = dict.fromkeys(_UTTERANCE, "utterance") | {"cm-label": "key", "label": "key", "spk": "speaker"}
        # A table that has the name itself may mean something else by another one.
        names = [name if known.get(name) in keys.header else known.get(name, name) for name in keys.header]
    if "utterance" not in names or "key" not in names:
        raise SpoofsweepError(
            "a key file must be a protocol or key file of ASVspoof, or lines `utterance bonafide|spoof`",
            f"{len(keys.columns)} columns ({keys.path})",
            _REMEDY,
        )
    return dict(zip(names, keys.columns, strict=True))


def _labels(rows: _Rows, keys: Sequence[str]) -> list[str]:
    for row, key in enumerate(keys):
        if key not in _KEYS:
            raise rows.fault(row, "a key must be bonafide or spoof", key)
    return [_KEYS[key] for key in keys]


def _score_column(rows: _Rows) -> NDArray[np.float64]:
    if rows.header is not None and "cm-score" in rows.header:
        return _numbers(rows, rows.columns[rows.header.index("cm-score")])
    if len(rows.columns) == 5 and set(rows.columns[2]) <= set(LABELS):
        return _numbers(rows, rows.columns[3])  # a corpus, which comes after it, may be called 2019
    for column in reversed(rows.columns):
        if _is_number(column[0]):
            return _numbers(rows, column)
    raise rows.fault(0, "a line must hold a score", " ".join(column[0] for column in rows.columns))


def _numbers(rows: _Rows, column: Iterable[str]) -> NDArray[np.float64]:
    values = []
    for row, text in enumerate(column):
        if not _is_number(text):
            raise rows.fault(row, "a score must be a number", text)
        values.append(float(text))
        if not math.isfinite(values[-1]):
            raise rows.fault(row, "a score must be finite", text)
    return np.array(values)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_rows(path: Path) -> _Rows:
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError as error:
        raise SpoofsweepError("a score file must exist", path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpoofsweepError("a score file must be a text file", f"{path} ({error})") from error
    first = next((line.split() for line in lines if line.strip()), [])
    has_commas = all(field.endswith(",") for field in first[:-1])  # where blanks part columns, names may hold commas
    rows = [(line.replace(",", " ") if has_commas else line) for line in lines]
    numbers = [number for number, row in enumerate(rows, start=1) if not row.isspace() and row]
    header = None
    if numbers and _UTTERANCE & set(rows[numbers[0] - 1].split()):
        header = tuple(rows[numbers.pop(0) - 1].split())
    if not numbers:
        raise SpoofsweepError("a score file holds lines `utterance attack key score`", f"{path}: empty")
    usual = len(header or rows[numbers[0] - 1].split())
    for number in numbers:
        if len(rows[number - 1].split()) != usual:
            found = " ".join(rows[number - 1].split())
            raise SpoofsweepError(f"every line must have {usual} columns", f"{found!r} ({path}, line {number})")
    # All fields in one list: a list a line would keep the garbage collector busy for many times as long.
    fields = " ".join(rows[number - 1] for number in numbers).split()
    return _Rows(path, numbers, [fields[column::usual] for column in range(usual)], header)
