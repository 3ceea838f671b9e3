"""What a node finds when it looks around: these functions run on it, as Ray tasks or by themselves."""

import os
import platform
import shutil
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("ray", "torch", "spoofsweep")
"""Packages that must be the same everywhere, beside Python."""
_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Wanted:
    """What a node is asked to look at."""

    folders: tuple[str, ...] = ()
    """Folders that it must be able to write to."""
    marker: str | None = None
    """A file that the driver has just written, and that every node must see."""
    cache: str | None = None
    """Folder of the node's own copies; none means where they lie by default."""
    servers: tuple[tuple[str, str, int], ...] = ()
    """Name, host and port of what it must reach."""


@dataclass(frozen=True)
class Seen:
    """What a node found."""

    versions: dict[str, str]
    unwritable: dict[str, str]
    """Why, by folder."""
    sees_marker: bool
    free_gb: dict[str, float]
    """Room by folder, that of temporary files among them."""
    unreached: dict[str, str]
    """Why, by server."""


def look(wanted: Wanted) -> Seen:
    """Look at everything that ``wanted`` names."""
    unwritable = {folder: reason for folder in wanted.folders if (reason := _refusal(Path(folder))) is not None}
    unreached = {name: reason for name, host, port in wanted.servers if (reason := _silence(host, port)) is not None}
    rooms = [folder for folder in (*wanted.folders, wanted.cache, "/tmp") if folder and folder not in unwritable]
    return Seen(
        versions=versions(),
        unwritable=unwritable,
        sees_marker=wanted.marker is None or Path(wanted.marker).exists(),
        free_gb={folder: free_gb(Path(folder)) for folder in rooms},
        unreached=unreached,
    )


def versions() -> dict[str, str]:
    """Versions of Python and of `PACKAGES` here."""
    return {"python": platform.python_version(), **{package: _version(package) for package in PACKAGES}}


def clock() -> float:
    """Seconds since 1970 by this machine."""
    return time.time()


def num_torch_gpus() -> int:
    """GPUs that PyTorch can compute on in this process."""
    import torch

    return sum(torch.zeros(1, device=f"cuda:{i}").is_cuda for i in range(torch.cuda.device_count()))


def free_gb(folder: Path) -> float:
    """Room on the disk of a folder that may not be there yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e9


def _version(package: str) -> str:
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return "absent"


def _refusal(folder: Path) -> str | None:
    """Why ``folder`` cannot be written to; none if it can."""
    file = folder / f".probe-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(16))
        file.unlink()
    except OSError as error:
        return str(error)
    return None


def _silence(host: str, port: int) -> str | None:
    """Why nobody answers at ``host:port``; none if somebody does."""
    try:
        socket.create_connection((host, port), _TIMEOUT_S).close()
    except OSError as error:
        return f"{host}:{port} ({error})"
    return None


def names_of(nodes: Sequence[tuple[str, str]]) -> dict[str, str]:
    """A name for people by node id, from ids and host names; hosts that appear twice get a piece of the id."""
    hosts = [host for _, host in nodes]
    return {node: host if hosts.count(host) == 1 else f"{host} ({node[:6]})" for node, host in nodes}
