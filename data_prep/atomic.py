"""Writing files so that a reader sees the old one or the whole new one, never a part."""

import errno
import io
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from cluster.errors import NoRoomError
from data_prep.remote_files import is_remote, put

NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
"""Errors of a full disk, and of a user's quota."""


def atomic_write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Put ``data`` at ``path`` in one step; see :func:`atomic_write`."""
    if is_remote(path):
        put(path, data)
    else:
        atomic_write(path, lambda file: file.write(data))


def atomic_write_text(path: Path, text: str) -> None:
    """Put ``text`` (UTF-8) at ``path`` in one step; see :func:`atomic_write`."""
    atomic_write_bytes(path, text.encode())


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a temporary file in the folder of ``path``, flush it to disk, and rename it to ``path``.

    The folder is made where it is missing. Whatever fails, the temporary file is removed and ``path`` stays as it was.
    In an object store a write is one step by itself: the bytes are gathered in memory and sent.

    Raises:
        NoRoomError: the disk is full, or the user's quota is.
        OSError: any other failure of the file system.
    """
    if is_remote(path):
        buffer = io.BytesIO()
        write(buffer)
        put(path, buffer.getvalue())
        return
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno in NO_ROOM:
            raise NoRoomError(
                "the disk must have room for what is written",
                f"{path}: {error.strerror}",
                "free some space or choose another output folder, then run the same command again",
            ) from error
        raise
