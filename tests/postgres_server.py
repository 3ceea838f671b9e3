"""A PostgreSQL server of its own on this machine, for tests and benchmarks."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BIN = next((path for path in Path("/usr/lib/postgresql").glob("*/bin")), None)
"""Where Debian has the server's programs; none if the package is missing."""


class PostgresServer:
    """A server of its own, as the user that PostgreSQL insists on."""

    def __init__(self, folder: Path) -> None:
        assert BIN is not None
        self._folder = folder
        folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "spoofsweep", "--no-sync")
        self.start()
        self.url = self.new_database("ledger")

    def new_database(self, name: str) -> str:
        """Make an empty one; returns its URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "spoofsweep", name)
        return f"postgresql+psycopg://spoofsweep@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder}"
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-o", options, "-l", "/dev/null", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        assert BIN is not None
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*self._as_user, str(BIN / program), *arguments], check=True, cwd="/", **quiet)

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> "Iterator[PostgresServer]":
        """A server whose data are in a new folder, whose parents its user must be able to pass."""
        server = cls(folder)
        try:
            yield server
        finally:
            server.stop()
