"""A queue in a file: what is appended survives the process, and stays until it is acknowledged."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """JSON lines at ``path``; ``path`` with ``.done`` appended holds the number of bytes already dealt with.

    One process appends and reads. A half-written last line, left by a killed process, is cut off on opening.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._done_path = path, path.with_name(path.name + ".done")
        self._offset = int(self._done_path.read_text()) if self._done_path.exists() else 0
        self._cut_off_tail()
        self._file = path.open("ab")

    @property
    def is_empty(self) -> bool:
        """Whether everything appended so far is acknowledged."""
        return self._offset >= self._file.tell()

    def append(self, event: Mapping[str, Any]) -> None:
        """Add an event; it is in the file when this returns (in the machine's cache, not forced to disk)."""
        self._file.write(json.dumps(event).encode() + b"\n")
        self._file.flush()

    def read(self, max_bytes: int = 1 << 22) -> tuple[list[dict[str, Any]], int]:
        """The oldest events that are not acknowledged, and the offset to acknowledge them with."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            lines = file.readlines(max_bytes)
        whole = [line for line in lines if line.endswith(b"\n")]
        return [json.loads(line) for line in whole], self._offset + sum(map(len, whole))

    def acknowledge(self, offset: int) -> None:
        """Everything before ``offset`` has been dealt with."""
        temporary = self._done_path.with_name(self._done_path.name + ".tmp")
        temporary.write_text(str(offset))
        os.replace(temporary, self._done_path)
        self._offset = offset

    def close(self) -> None:
        """Close the file; remove it if nothing is left to do."""
        is_empty = self.is_empty
        self._file.close()
        if is_empty:
            # The events go first: an offset without them is ignored, they without it would be dealt with twice.
            self._path.unlink()
            self._done_path.unlink(missing_ok=True)

    def _cut_off_tail(self) -> None:
        if not self._path.exists():
            self._done_path.unlink(missing_ok=True)
            self._offset = 0
            return
        content = self._path.read_bytes()
        os.truncate(self._path, content.rfind(b"\n") + 1)
