"""The token by which Ray's nodes and clients know each other."""

import os
import secrets
from pathlib import Path

from cluster.launch_files import TOKEN_FILE


def ensure_token(path: Path = TOKEN_FILE) -> Path:
    """The token's file, made if missing, readable by its owner alone (Ray itself leaves it open to all)."""
    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        return path
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path
