"""A folder with this project's code and what a launch adds to it, as a cluster runs it."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOMS = ("cluster", "data_prep", "trainable", "deploy", "search")
"""Packages of the project."""
_SOURCE = Path(__file__).resolve().parents[2]


def stage(files: Mapping[str, str], parent: Path) -> Path:
    """A folder below ``parent`` with the rooms and ``files`` (content by name), named by what is in it.

    A folder that is there is taken as it is: jobs that run from it never see it change.
    """
    paths = sorted(path for room in ROOMS for path in (_SOURCE / room).rglob("*") if _travels(path))
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{content}\0".encode())
    for path in paths:
        digest.update(f"{path.relative_to(_SOURCE)}\0".encode() + path.read_bytes() + b"\0")
    folder = parent / f"code-{digest.hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".code-", dir=parent))
    for path in paths:
        target = fresh / path.relative_to(_SOURCE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for name, content in files.items():
        (fresh / name).write_text(content)
    fresh.chmod(0o755)
    return fresh.rename(folder)


def _travels(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts
