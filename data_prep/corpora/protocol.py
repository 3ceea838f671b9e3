"""What parsers share: reading protocol lines and tables, collecting their faults, labels and names."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cluster.errors import SpoofsweepError
from data_prep.utterance import NO_ATTACK, Label, Split, Utterance

_MAX_SHOWN = 10
T = TypeVar("T")
LABEL_WORDS: dict[str, Label] = {
    "bonafide": "bonafide",
    "bona-fide": "bonafide",
    "genuine": "bonafide",
    "human": "bonafide",
    "real": "bonafide",
    "spoof": "spoof",
    "fake": "spoof",
}
"""What the corpora call the two classes."""


class LineError(ValueError):
    """The rule that one protocol line breaks."""


@dataclass
class Faults:
    """Malformed lines, collected so that the user sees all of them at once."""

    lines: list[str] = field(default_factory=list)

    def add(self, path: Path, number: int, line: str, rule: str) -> None:
        """Note that line ``number`` (from 1) of ``path`` breaks ``rule``."""
        self.lines.append(f"{path}:{number}: {rule}: {line.strip()!r}")

    def check(self) -> None:
        """Raise one SpoofsweepError for all faults, or return if there is none."""
        if not self.lines:
            return
        shown = "\n  ".join(self.lines[:_MAX_SHOWN])
        more = len(self.lines) - _MAX_SHOWN
        raise SpoofsweepError(
            f"every protocol line must be well formed; {len(self.lines)} "
            f"{'is' if len(self.lines) == 1 else 'are'} not:\n  {shown}"
            + (f"\n  ... and {more} more" if more > 0 else ""),
            remedy="correct or remove these lines",
        )


def parse_lines(path: Path, parse: Callable[[list[str]], T], faults: Faults) -> Iterator[T]:
    """What ``parse`` makes of the fields of each line; lines for which it raises LineError go to ``faults``.

    Fields are separated by any white space (spaces, tabs); CRLF ends, a byte-order mark and blank lines are tolerated.
    """
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            yield parse(fields)
        except LineError as error:
            faults.add(path, number, line, str(error))


def read_lists(
    files: Mapping[Split, Path], parser: Callable[[Split], Callable[[list[str]], Utterance]]
) -> tuple[tuple[Utterance, ...], tuple[Path, ...]]:
    """The utterances of one list a split, and the lists that there are.

    A missing evaluation list leaves that split empty; train and dev must be there.

    Args:
        parser: makes, of a split, what makes an utterance of the fields of a line.

    Raises:
        SpoofsweepError: a list is missing or not text, or lines are malformed.
    """
    present = {split: path for split, path in files.items() if split != "eval" or path.exists()}
    faults = Faults()
    utterances = [u for split, path in present.items() for u in parse_lines(path, parser(split), faults)]
    faults.check()
    return tuple(utterances), tuple(present.values())


def read_text(path: Path) -> str:
    """The text of a protocol.

    Raises:
        SpoofsweepError: it is missing or not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise SpoofsweepError(
            "the protocol file must exist", path, "check the root and the layout of the corpus"
        ) from None
    except UnicodeDecodeError as error:
        raise SpoofsweepError("a protocol must be UTF-8 text", f"{path} ({error})", "save it as UTF-8") from error
    if "\0" in text:  # no file name holds one
        raise SpoofsweepError("a protocol must be UTF-8 text", f"{path} (with zero bytes)", "save it as UTF-8")
    return text


def csv_rows(path: Path, delimiter: str = ",", has_quotes: bool = True) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table, its header first, with the numbers of their lines; blank lines are passed over.

    Args:
        has_quotes: whether quotation marks may enclose a field; they are part of its text otherwise.

    Raises:
        SpoofsweepError: the table is missing or not text, or a quotation mark is not closed.
    """
    quoting: Any = csv.QUOTE_MINIMAL if has_quotes else csv.QUOTE_NONE
    rows = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    begun = 1
    try:
        for row in rows:
            if row:
                yield rows.line_num, row
            begun = rows.line_num + 1
    except csv.Error as error:
        found = f"{path}: {error}, in what begins at line {begun}"
        raise SpoofsweepError("a table must be well-formed CSV", found, "close every quotation mark") from error


class Columns:
    """The columns of a protocol: how many fields a line must have."""

    def __init__(self, names: str) -> None:
        self.names = names
        """Separated by spaces."""
        self._number = len(names.split())

    def check(self, fields: list[str]) -> None:
        """Raise LineError unless a line has one field for each column."""
        if len(fields) != self._number:
            raise LineError(f"{self._number} fields expected ({self.names}), found {len(fields)}")


def parse_key(key: str, bonafide: str = "bonafide", spoof: str = "spoof") -> Label:
    """The label for which ``key`` stands in a corpus that writes ``bonafide`` and ``spoof`` so; LineError otherwise."""
    if key == bonafide:
        return "bonafide"
    if key == spoof:
        return "spoof"
    raise LineError(f"the key must be {bonafide!r} or {spoof!r}, found {key!r}")


def check_attack(attack: str, label: Label) -> None:
    """Raise LineError unless an attack stands for spoofs, and ``-`` for bona fide."""
    if (label == "bonafide") != (attack == NO_ATTACK):
        raise LineError(f"attack {attack!r} does not fit key {label!r} ('-' stands for bona fide, and only for it)")


def without_blanks(text: str) -> str:
    """``text`` with ``_`` for white space, which separates the columns of score files."""
    return re.sub(r"\s", "_", text)
