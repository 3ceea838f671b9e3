"""An MLflow server on a free port, which a test may take away and bring back."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cluster.errors import SpoofsweepError
from deploy.tracking_store import check_reachable


class TrackingServer:
    """Started by ``mlflow server`` and ``options``, but for address and database.

    Attributes:
        uri: where it is, when it is there.
    """

    def __init__(self, database: str, options: Sequence[str] = ()) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        self.uri = f"http://127.0.0.1:{port}"
        own = ("--host", "127.0.0.1", "--port", port, "--backend-store-uri", database, "--workers", "1")
        self._command = [sys.executable, "-m", "mlflow", "server", *options, *own]

    def start(self) -> None:
        """Begin to answer."""
        # Else it starts a dozen processes more, for jobs that nobody asks for.
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(self._command, env=environment, **quiet)
        for _ in range(120):
            try:
                check_reachable(self.uri)
                return
            except SpoofsweepError:
                time.sleep(1)
        raise AssertionError("the server did not start")

    def stop(self) -> None:
        """Answer no more."""
        self._process.terminate()
        self._process.wait(30)


@contextmanager
def tracking_server(database: str, options: Sequence[str] = ()) -> Iterator[TrackingServer]:
    """A server that is there, and gone when the block ends."""
    server = TrackingServer(database, options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
