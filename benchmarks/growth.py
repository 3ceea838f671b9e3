"""What a sweep costs as its study grows."""

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

from machine import memory_bytes

NUM_PARTS = 10


class Growth(threading.Thread):
    """Watches a study grow: trials that have ended, this process's CPU seconds, and its memory."""

    def __init__(self, ledger: Path) -> None:
        super().__init__(daemon=True)
        self._ledger, self._over = ledger, threading.Event()
        self.course: list[tuple[int, float, float]] = []

    def run(self) -> None:
        while not self._over.wait(0.5):
            if self._ledger.exists():
                with contextlib.suppress(sqlite3.OperationalError):  # its tables are still being made
                    self.course.append((self._ended(), time.process_time(), memory_bytes("VmRSS") / 1e6))

    def _ended(self) -> int:
        with contextlib.closing(sqlite3.connect(f"file:{self._ledger}?mode=ro", uri=True)) as connection:
            query = "SELECT count(*) FROM trials WHERE datetime_complete IS NOT NULL"
            return int(connection.execute(query).fetchone()[0])

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()
        self.join()


def growth_table(course: list[tuple[int, float, float]]) -> list[str]:
    """Markdown rows: CPU milliseconds a trial, and memory, by tenths of a study."""
    rows, last, size = ["| trials ended | CPU ms a trial | memory, MB |", "|---|---|---|"], course[0], course[-1][0]
    for part in range(1, NUM_PARTS + 1):
        now = next(point for point in course if point[0] >= part * size // NUM_PARTS)
        if now[0] > last[0]:
            rows.append(f"| {now[0]} | {1000 * (now[1] - last[1]) / (now[0] - last[0]):.0f} | {now[2]:.0f} |")
            last = now
    return rows
