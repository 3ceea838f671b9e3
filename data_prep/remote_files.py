"""Files in object stores and archives, named by URIs (``s3://bucket/LA``, ``zip://LA::/data/la.zip``).

Such a file is a ``upath.UPath`` (universal-pathlib over fsspec), which has the methods of ``pathlib.Path`` without
being one. Endpoints and credentials come from the environment alone (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``...).
"""

import errno
import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path, PurePath
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from cluster.errors import SpoofsweepError

_AHEAD = 32
"""Files fetched ahead of the one in use; a request to a store takes ten times as long as decoding what it brings."""
_STREAMS = 16
"""Requests at a time."""
_S3 = ("s3", "s3a")
MISSING = "file missing"
STORE_REMEDY = "check the address, AWS_ENDPOINT_URL and the credentials in the environment"
_ARCHIVES = {".zip": "zip", ".tar": "tar"}
"""Protocols of archives that can be read without unpacking; a compressed tar has no way to reach a file but from its
start."""


def is_uri(text: str) -> bool:
    """Whether ``text`` names a place by its protocol."""
    return "://" in text


def is_remote(path: Path) -> bool:
    """Whether ``path`` lies in a store or an archive, so that only the functions of this file should read it."""
    return not isinstance(path, PurePath)


def expand_path(text: str, base: Path) -> Path:
    """``text`` with ``~``, ``$VAR`` and ``${VAR}`` expanded, absolute, relative to ``base``; a URI as a ``UPath``.

    Raises:
        SpoofsweepError: a variable is not set, or the URI's protocol is not to be had.
    """
    expanded = os.path.expanduser(os.path.expandvars(text))
    if "$" in expanded:
        raise SpoofsweepError("every variable in a path must be set", text, "export the variable or write the path out")
    return to_path(expanded) if is_uri(expanded) else Path(os.path.abspath(base / expanded))


def to_path(text: str) -> Path:
    """The path or URI ``text``; ``file://`` is local.

    Raises:
        SpoofsweepError: the protocol is unknown, the package for it is not installed, or an archive is missing or cut.
    """
    if not is_uri(text):
        return Path(text)
    parts = urlsplit(text)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    from upath import UPath

    try:
        # Unless told to read in one piece, s3fs asks for the size of every file first.
        path = UPath(text, max_concurrency=1) if parts.scheme in _S3 else UPath(text)
        _ = path.fs
    except ImportError as error:
        extra = "spoofsweep[s3]" if parts.scheme in _S3 else "the package that the message names"
        raise SpoofsweepError(
            f"{parts.scheme}:// needs its package", str(error), f"install {extra} on every machine that reads it"
        ) from error
    except ValueError as error:
        raise SpoofsweepError("the protocol of a URI must be one of fsspec's", text, "correct the URI") from error
    except (FileNotFoundError, zipfile.BadZipFile, tarfile.ReadError) as error:
        raise SpoofsweepError("an archive must be there and whole", f"{text} ({error})", "fetch it again") from error
    return cast(Path, path)


def inside_archive(path: Path) -> Path:
    """The root folder inside ``path`` if that is an archive on disk, else ``path``.

    Raises:
        SpoofsweepError: it is cut.
    """
    if is_remote(path) or path.suffix.lower() not in _ARCHIVES or not path.is_file():
        return path
    return to_path(f"{_ARCHIVES[path.suffix.lower()]}://::file://{path.absolute()}")


def store_errors() -> tuple[type[Exception], ...]:
    """What stores raise when they cannot be reached, or refuse."""
    try:
        from botocore.exceptions import BotoCoreError
    except ImportError:
        return (OSError,)
    return (OSError, BotoCoreError)


def fetch(path: Path) -> bytes:
    """The content of a file, by one request.

    Raises:
        FileNotFoundError: there is none.
    """
    return cast(bytes, _fs(path).cat_file(_key(path))) if is_remote(path) else path.read_bytes()


def put(path: Path, data: bytes | memoryview) -> None:
    """Write a remote file; readers see the old or the whole new one."""
    _fs(path).pipe_file(_key(path), bytes(data))


def fetch_ahead(paths: Iterable[Path]) -> Iterator[bytes | str]:
    """Contents in order, fetched in the background before they are asked for; or why a file has none, as text."""
    waiting = iter(paths)
    running: deque[Future[bytes | str]] = deque()
    pools: dict[Any, ThreadPoolExecutor] = {}
    try:
        while True:
            while len(running) < _AHEAD and (path := next(waiting, None)) is not None:
                fs = _fs(path) if is_remote(path) else None
                pool = pools.get(fs) or pools.setdefault(fs, ThreadPoolExecutor(_num_streams(fs)))
                running.append(pool.submit(_fetch_or_reason, path))
            if not running:
                return
            yield running.popleft().result()
    finally:
        for pool in pools.values():
            pool.shutdown(cancel_futures=True)


def local_copies(paths: Sequence[Path]) -> Iterator[Path | str]:
    """A local file for each path, good until the next is asked for: itself, or a temporary copy of a remote file.

    A remote file that cannot be had gives the reason as text.
    """
    remote = fetch_ahead(path for path in paths if is_remote(path))
    with closing(cast(Any, remote)):
        for path in paths:
            if not is_remote(path):
                yield path
            elif isinstance(data := next(remote), str):
                yield data
            else:
                with _temporary(path, data) as copy:
                    yield copy


@contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """A local file with the content of ``path``: itself, or a temporary copy of a remote file.

    Raises:
        FileNotFoundError: a remote file is missing.
    """
    if not is_remote(path):
        yield path
        return
    with _temporary(path, fetch(path)) as copy:
        yield copy


def file_sizes(paths: Sequence[Path]) -> dict[Path, int]:
    """Bytes of those of ``paths`` that are files; a remote folder is listed once, a request a file would take hours."""
    sizes: dict[Path, int] = {}
    listings: dict[tuple[int, str], dict[str, int]] = {}
    for path in paths:
        if not is_remote(path):
            if (size := _local_size(path)) is not None:
                sizes[path] = size
            continue
        folder, _, name = _key(path).rpartition("/")
        place = (id(_fs(path)), folder)
        if place not in listings:
            listings[place] = _list(_fs(path), folder)
        if name in listings[place]:
            sizes[path] = listings[place][name]
    return sizes


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file on disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file in ``folder`` by its name; nothing where there is no such folder. Never from a cache."""
    if is_remote(folder):
        _fs(folder).invalidate_cache()
        return _list(_fs(folder), _key(folder))
    if not folder.is_dir():
        return {}
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}


def remove_folder(folder: Path) -> None:
    """Remove ``folder`` and all in it, if it is there."""
    if is_remote(folder):
        fs = _fs(folder)
        fs.invalidate_cache()
        names = [f"{_key(folder)}/{name}" for name in _list(fs, _key(folder))]
        if names:
            fs.rm(names)
    elif folder.is_dir():
        shutil.rmtree(folder)


def download(path: Path, target: Path) -> None:
    """Stream a remote file to the local file ``target``."""
    _fs(path).get_file(_key(path), str(target))


def relative_name(path: Path, root: Path) -> str | None:
    """``path`` relative to ``root`` as text; none if it lies elsewhere."""
    if is_remote(path) != is_remote(root):
        return None
    # Texts are compared, since pathlib's own comparison takes ten times as long, and UPath's a hundred times.
    text, prefix = (_key(one) if is_remote(one) else str(one) for one in (path, root))
    prefix = prefix.rstrip("/") + "/" if prefix else ""
    return text.removeprefix(prefix) if text.startswith(prefix) else None


_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES}
"""What a path means that leads to no file, or to none that may be seen."""


def _local_size(path: Path) -> int | None:
    try:
        status = path.stat()
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _fs(path: Path) -> Any:
    return cast(Any, path).fs


def _key(path: Path) -> str:
    """The name by which the file system of a remote path knows it."""
    return cast(str, cast(Any, path).path)


def _num_streams(fs: Any) -> int:
    # fsspec's asynchronous file systems are stores; the others are archives, of which tar bears one reader only.
    return _STREAMS if fs is not None and fs.async_impl else 1


def _fetch_or_reason(path: Path) -> bytes | str:
    try:
        return fetch(path)
    except FileNotFoundError:
        return MISSING
    except (zipfile.BadZipFile, zlib.error) as error:
        return f"damaged in its archive: {str(error).partition(' for ')[0]}"


def _list(fs: Any, folder: str) -> dict[str, int]:
    try:
        entries = fs.ls(folder, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {entry["name"].rpartition("/")[2]: entry["size"] for entry in entries if entry["type"] == "file"}


@contextmanager
def _temporary(path: Path, data: bytes) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="spoofsweep-", suffix=path.suffix) as file:
        file.write(data)
        file.flush()
        yield Path(file.name)
