"""What all parsers share: reading protocol lines, collecting their faults, finding audio files and the corpus root."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cluster.errors import SpoofsweepError
from data_prep.audio_files import AUDIO_SUFFIXES
from data_prep.utterance import LABELS, NO_ATTACK, Label

_MAX_SHOWN = 10
T = TypeVar("T")


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
        if not line.strip():
            continue
        try:
            yield parse(line.split())
        except LineError as error:
            faults.add(path, number, line, str(error))


def read_text(path: Path) -> str:
    """The text of a protocol.

    Raises:
        SpoofsweepError: it is missing or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise SpoofsweepError("the protocol file must exist", path, "check corpus.root and corpus.layout") from None
    except UnicodeDecodeError as error:
        raise SpoofsweepError("a protocol must be UTF-8 text", f"{path} ({error})", "save it as UTF-8") from error


def require_fields(fields: list[str], names: str) -> None:
    """Raise LineError unless there are as many ``fields`` as ``names`` (one string, separated by spaces)."""
    expected = len(names.split())
    if len(fields) != expected:
        raise LineError(f"{expected} fields expected ({names}), found {len(fields)}")


def parse_label(key: str, attack: str) -> Label:
    """``key`` as a label, consistent with ``attack``; LineError otherwise."""
    if key not in LABELS:
        raise LineError(f"the key must be 'bonafide' or 'spoof', found {key!r}")
    if (key == "bonafide") != (attack == NO_ATTACK):
        raise LineError(f"attack {attack!r} does not fit key {key!r} ('-' stands for bona fide, and only for it)")
    return key


class AudioFolder:
    """The audio files of one folder by utterance id; listed once, not tried suffix by suffix for each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: dict[str, str] = {}
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        ranks = {suffix: rank for rank, suffix in enumerate(AUDIO_SUFFIXES)}
        best: dict[str, int] = {}
        for name in names:
            stem, suffix = os.path.splitext(name)
            rank = ranks.get(suffix.lower())
            if rank is not None and rank < best.get(stem, len(ranks)):
                self._names[stem], best[stem] = name, rank

    def path(self, utterance_id: str) -> Path:
        """Path of the utterance under ``.flac`` or else another suffix; where it is missing, what it should be."""
        return self.folder / self._names.get(utterance_id, f"{utterance_id}.flac")


def find_root(root: Path, holds: Callable[[Path], bool], expected: str) -> Path:
    """``root`` itself, or the folder one level below or above it, whichever ``holds`` the corpus.

    Raises:
        SpoofsweepError: none or several of them do; ``expected`` says what was looked for.
    """
    if holds(root):
        return root
    below = [child for child in _folders(root) if holds(child)]
    if len(below) == 1:
        return below[0]
    if len(below) > 1:
        names = ", ".join(str(child) for child in below)
        raise SpoofsweepError(
            "corpus.root must hold one corpus", f"several: {names}", "give one of them as corpus.root"
        )
    if holds(root.parent):
        return root.parent
    present = ", ".join(sorted(path.name for path in root.iterdir())[:8]) if root.is_dir() else "a file"
    raise SpoofsweepError(
        f"corpus.root must hold {expected}",
        f"{root} (with: {present or 'nothing'})",
        "correct corpus.root or corpus.layout",
    )


def _folders(root: Path) -> Iterable[Path]:
    return sorted(child for child in root.iterdir() if child.is_dir()) if root.is_dir() else []
