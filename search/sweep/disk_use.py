"""How much room a study takes."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

_INTERVAL_S = 60.0
_FULL_BYTES = 10**7


class DiskUse:
    """Of a study's folder, measured at most once a minute: it is walked through, perhaps over a network.

    Args:
        folder: of the study; exists.
        clock: seconds that only rise.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._measured_s = -_INTERVAL_S
        self._shown = ""

    def __str__(self) -> str:
        if self._clock() - self._measured_s >= _INTERVAL_S:
            self._measured_s = self._clock()
            free = shutil.disk_usage(self._folder).free
            room = "the disk is FULL, free some room" if free < _FULL_BYTES else f"{free / 1e9:.0f} GB free"
            self._shown = f"{_used(self._folder) / 1e9:.2f} GB, {room}"
        return self._shown


def _used(folder: Path) -> int:
    """Bytes of all files; those that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:
            continue
    return total
