"""A queue in a file: what is appended survives the process, and stays until it is acknowledged."""

import json
import logging
import os
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.atomic import NO_ROOM

_logger = logging.getLogger("spoofsweep.tracking")


class Journal:
    """JSON lines at ``path``; ``path`` with ``.done`` appended holds the number of bytes already dealt with.

    One process appends and reads, from any threads. A half-written last line, left by a killed process, is cut off on
    opening. What a full disk does not take waits in memory, to be read from there, or written once there is room.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._done_path = path, path.with_name(path.name + ".done")
        self._offset = int(self._done_path.read_text()) if self._done_path.exists() else 0
        self._cut_off_tail()
        self._file = path.open("ab", buffering=0)
        self._end = self._file.tell()
        self._waiting: deque[bytes] = deque()
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether everything appended so far is acknowledged."""
        return self._offset >= self._end and not self._waiting

    def append(self, event: Mapping[str, Any]) -> None:
        """Add an event; where there is room it is in the file when this returns (in the machine's cache)."""
        self._waiting.append(json.dumps(event).encode() + b"\n")
        self._write_waiting()

    def read(self, max_bytes: int = 1 << 22) -> tuple[list[dict[str, Any]], int]:
        """The oldest events that are not acknowledged, and the offset to acknowledge them with."""
        if self._waiting:
            self._write_waiting()
        with self._lock, self._path.open("rb") as file:
            file.seek(self._offset)
            lines = file.readlines(max_bytes) or list(self._waiting)
        return [json.loads(line) for line in lines], self._offset + sum(map(len, lines))

    def acknowledge(self, offset: int) -> None:
        """Everything before ``offset`` has been dealt with; without room, that is forgotten with the process."""
        with self._lock:
            while offset > self._end:  # lines that never came to the file; those behind them take their places there
                offset -= len(self._waiting.popleft())
        temporary = self._done_path.with_name(self._done_path.name + ".tmp")
        try:
            temporary.write_text(str(offset))
            os.replace(temporary, self._done_path)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
        self._offset = offset

    def close(self) -> None:
        """Close the file; remove it if nothing is left to do."""
        self._write_waiting()
        if self._waiting:
            _logger.error("%d events for MLflow are lost: no room for them in %s", len(self._waiting), self._path)
        is_empty = self.is_empty
        self._file.close()
        if is_empty:
            # The events go first: an offset without them is ignored, they without it would be dealt with twice.
            self._path.unlink()
            self._done_path.unlink(missing_ok=True)

    def _write_waiting(self) -> None:
        with self._lock:
            while self._waiting:
                line = self._waiting[0]
                try:
                    is_whole = self._file.write(line) == len(line)
                except OSError as error:
                    if error.errno not in NO_ROOM:
                        raise
                    is_whole = False
                if not is_whole:  # of a line that fits in part, that part was written
                    os.ftruncate(self._file.fileno(), self._end)
                    return
                self._end += len(line)
                self._waiting.popleft()

    def _cut_off_tail(self) -> None:
        if not self._path.exists():
            self._done_path.unlink(missing_ok=True)
            self._offset = 0
            return
        content = self._path.read_bytes()
        os.truncate(self._path, content.rfind(b"\n") + 1)
