"""The Python environments that models are converted in, for converters want another PyTorch than training does."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.shard_cache import cache_folder
from deploy.mobile.formats import MobileFormat

_COMPLETE = "complete"
"""Beside an environment's files once all of it is installed."""
_FIND = (
    "import importlib.util, json, sys; print(json.dumps([n for n in sys.argv[1:] if not importlib.util.find_spec(n)]))"
)


def environment_folder(form: MobileFormat) -> Path:
    """Where the environment of this machine lies: below ``$SPOOFSWEEP_CACHE``, or else ``~/.cache/spoofsweep``."""
    wanted = "\n".join((*form.packages, form.constraints.read_text(), sys.version)).encode()
    return cache_folder() / "environments" / f"{form.name}-{hashlib.sha256(wanted).hexdigest()[:12]}"


def is_made(form: MobileFormat) -> bool:
    """Whether this machine has it."""
    return (environment_folder(form) / _COMPLETE).exists()


def environment_python(form: MobileFormat, say: Callable[[str], object]) -> Path:
    """The interpreter of the environment, which is made the first time; others who want it wait meanwhile.

    Args:
        say: is told before anything is downloaded.

    Raises:
        SpoofsweepError: it cannot be installed.
    """
    from filelock import FileLock

    folder = environment_folder(form)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not is_made(form):
            _make(form, folder, say)
    return folder / "bin" / "python"


def checked_python(form: MobileFormat, python: Path) -> Path:
    """An interpreter that the user named, by a path or as a command; its absolute path.

    Raises:
        SpoofsweepError: it is none, or lacks a package.
    """
    found = shutil.which(python)
    try:
        modules = (name.replace("-", "_") for name in form.packages)
        answer = subprocess.run([found or python, "-c", _FIND, *modules], capture_output=True, text=True)
        missing = json.loads(answer.stdout)
    except (OSError, ValueError) as error:
        raise SpoofsweepError("--python names an interpreter", python) from error
    if missing:
        raise SpoofsweepError(
            f"an environment that converts to {form.title} holds {', '.join(form.packages)}",
            f"{python} without {', '.join(missing)}",
            f"install them at the versions of {form.constraints}, or leave --python out",
        )
    return Path(found or python).absolute()


def _make(form: MobileFormat, folder: Path, say: Callable[[str], object]) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise SpoofsweepError(
            f"the environment that converts to {form.title} is installed by uv",
            "no uv",
            "pip install uv, or give --python, the interpreter of an environment that has the packages",
        )
    say(
        f"The first conversion to {form.title} installs {', '.join(form.packages)} and what they need into {folder}: "
        "about 3 GB to download, 5 GB on disk."
    )
    _run(form, uv, "venv", "--clear", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    _run(form, uv, "pip", "install", "--python", python, "--constraint", str(form.constraints), *form.packages)
    (folder / _COMPLETE).touch()


def _run(form: MobileFormat, *command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise SpoofsweepError(
            f"the environment that converts to {form.title} must be installable",
            f"from uv: {error.stderr.strip()}",
            "mend it and try again, or give --python",
        ) from error
