"""What was converted from what, and what failed: one JSON object a line, so that a killed conversion goes on."""

import json
from pathlib import Path
from types import TracebackType
from typing import TextIO

from cluster.settings import Settings
from data_prep.atomic import atomic_write_text

LEDGER = "ledger.jsonl"


class LedgerEntry(Settings):
    """Outcome for one source file: either a target, or the reason of failure."""

    source: str
    """Relative to the source folder."""
    size: int
    """Bytes; -1 if the file is missing."""
    sha256: str
    target: str = ""
    """Relative to the output folder."""
    output_sha256: str = ""
    reason: str = ""


class Ledger:
    """Appends outcomes as they come, and rewrites itself sorted and without repetitions when it closes."""

    def __init__(self, path: Path, entries: dict[str, LedgerEntry]) -> None:
        self._path, self.entries = path, entries
        """Latest outcome by source."""
        self._file: TextIO | None = None

    @classmethod
    def open(cls, output: Path) -> "Ledger":
        """The ledger of an output folder, empty if there is none yet."""
        path = output / LEDGER
        entries: dict[str, LedgerEntry] = {}
        lines = path.read_text().splitlines() if path.is_file() else []
        for number, line in enumerate(lines):
            try:
                entry = LedgerEntry.model_validate_json(line)
            except ValueError:
                if number < len(lines) - 1:
                    raise
                continue  # a kill while writing leaves the last line incomplete
            entries[entry.source] = entry
        return cls(path, entries)

    def add(self, entry: LedgerEntry) -> None:
        """Record an outcome on disk."""
        assert self._file is not None, "the ledger is used in a with statement"
        self.entries[entry.source] = entry
        self._file.write(json.dumps(entry.model_dump(), ensure_ascii=False) + "\n")
        self._file.flush()

    def __enter__(self) -> "Ledger":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._save()  # also ends a line that a kill left incomplete
        self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()
        self._save()

    def _save(self) -> None:
        lines = [
            json.dumps(self.entries[name].model_dump(), ensure_ascii=False) + "\n" for name in sorted(self.entries)
        ]
        atomic_write_text(self._path, "".join(lines))
