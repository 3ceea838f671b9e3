"""An S3 server of the tests' own (moto), and what it was asked for."""

import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ObjectStore:
    """A running server; its log tells the requests."""

    def __init__(self, endpoint: str, log: Path) -> None:
        self.endpoint, self._log = endpoint, log

    @property
    def environment(self) -> dict[str, str]:
        """What a program must have in its environment to use the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def requests(self, bucket: str) -> Counter[tuple[str, str]]:
        """Number of requests so far by method and key; a listing has no key."""
        found = re.findall(rf'"([A-Z]+) /{bucket}/?([^ ?"]*)[^"]* HTTP', self._log.read_text())
        return Counter((method, key) for method, key in found)


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Run a server as a process of its own until the context ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "moto.log"
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file, cwd=folder) as process:
        try:
            _wait_for(port, process)
            yield ObjectStore(f"http://127.0.0.1:{port}", log)
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"moto_server ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("moto_server does not answer")


def upload(folder: Path, uri: str) -> None:
    """Copy a folder into the store."""
    from data_prep.remote_files import put, to_path

    for path in folder.rglob("*"):
        if path.is_file():
            put(to_path(uri) / path.relative_to(folder).as_posix(), path.read_bytes())


def download_all(uri: str) -> dict[str, bytes]:
    """Every object below a URI by its relative name."""
    from data_prep.remote_files import to_path

    fs, _, root = to_path(uri).fs, *uri.split("://")  # type: ignore[attr-defined]
    fs.invalidate_cache()
    return {name.removeprefix(f"{root}/"): fs.cat_file(name) for name in fs.find(root)}
