"""The node's own copy of a shard set that is kept in an object store, so that trials can memory-map it."""

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cluster.errors import NoRoomError, SpoofsweepError
from data_prep.atomic import NO_ROOM, atomic_write_text
from data_prep.remote_files import download, file_sha256, folder_sizes

VARIABLE = "SPOOFSWEEP_CACHE"
_VERIFIED, _LOCK, _TEMPORARY = "verified.json", ".lock", ".part"
_STREAMS = 8
"""Files fetched at a time."""
Stamp = tuple[int, int]
"""Size and time of modification (ns) of a file as it was when its hash was checked."""


def cache_folder() -> Path:
    """Where this machine keeps its copies: ``$SPOOFSWEEP_CACHE``, or else ``~/.cache/spoofsweep``."""
    return Path(os.environ.get(VARIABLE) or "~/.cache/spoofsweep").expanduser().absolute()


def node_copy(origin: Path, shard_set_id: str, hashes: Mapping[str, str]) -> Path:
    """The local folder with the files of the remote folder ``origin``, fetched unless they are there.

    One process fetches while the others on the machine wait. A file appears under its name when it is whole and its
    hash is right; one that was changed since then is checked, and fetched again if it is damaged.

    Args:
        hashes: hex SHA-256 by file name.

    Raises:
        SpoofsweepError: there is no room for it, or a file in the store is damaged.
    """
    from filelock import FileLock  # here, since a detector needs neither copies nor this package

    folder = cache_folder() / "shards" / shard_set_id
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / _LOCK):
        verified = _read_verified(folder)
        wanted = [name for name in hashes if not _is_good(folder / name, hashes[name], verified.get(name))]
        if wanted:
            _tidy(folder)
            _fetch_all(origin, folder, {name: hashes[name] for name in wanted})
        stamps = {name: _stamp(folder / name) for name in hashes}
        if stamps != verified:
            atomic_write_text(folder / _VERIFIED, json.dumps(stamps))
    return folder


def _read_verified(folder: Path) -> dict[str, Stamp]:
    try:
        return {name: (size, time_ns) for name, (size, time_ns) in json.loads((folder / _VERIFIED).read_text()).items()}
    except FileNotFoundError:
        return {}


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _is_good(path: Path, sha256: str, verified: Stamp | None) -> bool:
    return path.is_file() and (_stamp(path) == verified or file_sha256(path) == sha256)


def _tidy(folder: Path) -> None:
    """Remove what a killed process left; the lock is held, so nobody writes it any more."""
    for path in folder.glob(f"*{_TEMPORARY}"):
        path.unlink()


def _fetch_all(origin: Path, folder: Path, hashes: Mapping[str, str]) -> None:
    sizes = folder_sizes(origin)
    needed, free = sum(sizes.get(name, 0) for name in hashes), shutil.disk_usage(folder).free
    no_room = NoRoomError(
        f"the node's copy of {origin} must have room: {needed / 1e9:.3f} GB",
        f"{free / 1e9:.3f} GB free in {folder}",
        f"free some space, or set {VARIABLE} to a folder on a larger local disk",
    )
    if needed > free:
        raise no_room
    try:
        with ThreadPoolExecutor(_STREAMS) as pool:
            list(pool.map(lambda name: _fetch(origin / name, folder / name, hashes[name]), hashes))
    except OSError as error:
        if error.errno in NO_ROOM:  # others write there too
            raise no_room from error
        raise


def _fetch(source: Path, target: Path, sha256: str) -> None:
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex}{_TEMPORARY}")
    try:
        download(source, temporary)
        found = file_sha256(temporary)
        if found != sha256:
            raise SpoofsweepError(
                f"{source} must have the SHA-256 {sha256[:16]}...",
                f"{found[:16]}...",
                "remove the shard set from the store and run `spoofsweep prep STUDY`",
            )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
