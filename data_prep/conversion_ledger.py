"""What was converted from what, and what failed: one JSON object a line, so that a killed conversion goes on."""

import json
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from cluster.errors import SpoofsweepError
from cluster.settings import Settings
from data_prep.atomic import atomic_write_bytes

LEDGER = "ledger.jsonl"


class LedgerEntry(Settings):
    """Outcome for one source file: either a target, or the reason of failure."""

    source: str
    """Relative to the source folder."""
    size: int
    """Bytes; -1 if the file is missing."""
    mtime_ns: int = -1
    """Time of change: with the size, it spares the next run reading an unchanged file. So does the target's."""
    sha256: str
    format: str = ""
    """Codec, by content; empty if unknown."""
    target: str = ""
    """Relative to the output folder."""
    duration_s: float = 0.0
    """Of the target."""
    output_size: int = -1
    output_mtime_ns: int = -1
    output_sha256: str = ""
    reason: str = ""


class Ledger:
    """Appends outcomes as they come, and rewrites itself sorted and without repetitions when it closes."""

    def __init__(self, path: Path, entries: dict[str, LedgerEntry]) -> None:
        self._path, self.entries = path, entries
        """Latest outcome by source."""
        self._file: BinaryIO | None = None

    @classmethod
    def open(cls, output: Path) -> "Ledger":
        """The ledger of an output folder, empty if there is none yet.

        Raises:
            SpoofsweepError: a line, unless it is the last and a kill cut it short, is no outcome.
        """
        path = output / LEDGER
        entries: dict[str, LedgerEntry] = {}
        lines = path.read_bytes().split(b"\n") if path.is_file() else []
        for number, line in enumerate(lines, start=1):
            try:
                entry = LedgerEntry(**json.loads(line)) if line else None
            except (ValueError, TypeError, RecursionError) as error:
                if number < len(lines):
                    raise SpoofsweepError(
                        "every line of the ledger must be an outcome",
                        f"{path}:{number}: {line[:80]!r}",
                        "remove the line: its source is converted again",
                    ) from error
                continue
            if entry is not None:
                entries[entry.source] = entry
        return cls(path, entries)

    def add(self, entry: LedgerEntry) -> None:
        """Record an outcome on disk."""
        assert self._file is not None, "the ledger is used in a with statement"
        self.entries[entry.source] = entry
        self._file.write(_line(entry))
        self._file.flush()

    def __enter__(self) -> "Ledger":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._save()  # also ends a line that a kill left incomplete
        self._file = self._path.open("ab")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()
        self._save()

    def _save(self) -> None:
        atomic_write_bytes(self._path, b"".join(_line(self.entries[name]) for name in sorted(self.entries)))


def _line(entry: LedgerEntry) -> bytes:
    values = entry.model_dump()
    return (json.dumps(values, ensure_ascii=not _is_text(entry.source)) + "\n").encode()


def _is_text(name: str) -> bool:
    """Whether a file name is UTF-8; bytes that are not stand in Python's strings as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
