"""Replacing a whole folder so that a reader finds the old content or the new, never a mixture.

POSIX renames a folder onto another only where that one is empty, so a replacement takes two renames: the old folder
steps aside, the new one takes its name. Killed between the two, only the folder that stepped aside is there, and
readers take it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside ``folder`` to be filled, which takes its place when the block ends without an error.

    One writer at a time; whatever fails, ``folder`` stays as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # The scratch folder has a fixed umask-independent 0700; its child is made as any other folder is.
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
    try:
        fresh = scratch / folder.name
        fresh.mkdir()
        yield fresh
        _put_in_place(fresh, folder)
    finally:
        shutil.rmtree(scratch)


def readable_folder(folder: Path) -> Path:
    """Where the content of ``folder`` lies: there, or, after a replacement killed half way, set aside."""
    aside = _aside(folder)
    return aside if aside.exists() and not folder.exists() else folder


def _put_in_place(fresh: Path, folder: Path) -> None:
    aside = _aside(folder)
    if folder.exists():
        if aside.exists():
            shutil.rmtree(aside)
        os.rename(folder, aside)
    os.rename(fresh, folder)
    if aside.exists():
        shutil.rmtree(aside)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")
