"""Keeps a second driver on this file system out of a study."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import SpoofsweepError


@contextmanager
def driver_lock(folder: Path) -> Iterator[None]:
    """Hold the study in ``folder``; the lock goes with the process, however it ends.

    Raises:
        SpoofsweepError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "driver.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SpoofsweepError(
                "a study must be run by one driver at a time",
                f"a running sweep of {folder.name}",
                "wait for it, or stop it",
            ) from error
        yield
