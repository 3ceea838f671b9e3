"""What `chaos.py` takes away from a sweep: a worker process, a machine, the MLflow server."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

AWAY_S = 5.0
"""How long what was taken away stays so."""


class MlflowServer:
    """A tracking server of its own on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        store = f"sqlite:///{self._folder / 'mlflow.db'}"
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--workers", "1"]
        command += ["--port", str(self._port), "--artifacts-destination", str(self._folder / "artifacts")]
        # Else it starts a dozen processes more, for jobs that nobody asks for.
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=environment
        )
        deadline = time.monotonic() + 120
        while not is_open(self._port):
            if time.monotonic() > deadline:
                raise SystemExit("the MLflow server does not start")
            time.sleep(0.2)

    def stop(self) -> None:
        end_tree(self._process)


def actor_process(name: str) -> psutil.Process:
    """A worker process of Ray that runs a trial; waits for one, as there is none between two trials."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for process in psutil.process_iter(["cmdline"]):
            if any(name in word and word.startswith("ray::") for word in process.info["cmdline"] or ()):
                return process
        time.sleep(0.1)
    raise SystemExit(f"no process of {name} was found")


class ThreeNodes:
    """A head without cores and two machines of one core, all of them processes here."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        self._nodes = [self._cluster.add_node(num_cpus=1) for _ in range(2)]
        self.address = self._cluster.address

    def lose_a_node(self) -> None:
        self._cluster.remove_node(self._nodes[0], allow_graceful=False)
        time.sleep(AWAY_S)
        self._cluster.add_node(num_cpus=1)

    def shutdown(self) -> None:
        self._cluster.shutdown()


@contextmanager
def three_nodes() -> Iterator[ThreeNodes]:
    cluster = ThreeNodes()
    try:
        yield cluster
    finally:
        cluster.shutdown()


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that came of it."""
    try:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        member.kill()
    process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
