"""A real server on a real port, in a thread of the test's process, and ways to talk to it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import requests
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from deploy.server.run import listen, uvicorn_config
from deploy.server.service import Service
from deploy.server.settings import ServerSettings
from deploy.stream.detector import Detector

RATE = 16000


@dataclass(frozen=True)
class LiveServer:
    """Where it is, and what its clients share."""

    address: str
    """Host and port."""
    service: Service

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(f"http://{self.address}{path}", timeout=10, **options)

    def post(self, body: bytes | Iterator[bytes], query: str = "", **options: Any) -> requests.Response:
        return requests.post(f"http://{self.address}/v1/score{query}", data=body, timeout=10, **options)

    def metric(self, series: str) -> float:
        """A value of ``/metrics`` by its name and labels."""
        lines = self.get("/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(f"{series} ")).split()[1])

    @contextmanager
    def connect(self, **options: Any) -> Iterator["Client"]:
        """A connection that has not said anything yet."""
        with connect(f"ws://{self.address}/v1/stream", compression=None, **options) as socket:
            yield Client(socket)

    @contextmanager
    def stream(self, **start: Any) -> Iterator["Client"]:
        """A stream that the server is ready for."""
        with self.connect() as client:
            client.say({"type": "start", "sample_rate": RATE, "format": "f32le"} | start)
            assert client.hear()["type"] == "ready"
            yield client


@dataclass(frozen=True)
class Client:
    """One side of a WebSocket."""

    socket: ClientConnection

    def say(self, message: Any) -> None:
        self.socket.send(json.dumps(message))

    def feed(self, samples: np.ndarray) -> None:
        self.socket.send(samples.tobytes())

    def hear(self) -> dict[str, Any]:
        return json.loads(self.socket.recv(timeout=10))

    def end(self) -> list[dict[str, Any]]:
        """Everything that the server says from now to the end of the stream."""
        self.say({"type": "end"})
        return self.rest()

    def rest(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.socket]

    def refusal(self) -> tuple[dict[str, Any], int]:
        """The error that ends the stream, and the code that the connection is closed with."""
        while (message := self.hear())["type"] != "error":
            pass
        with pytest.raises(ConnectionClosed) as closed:
            self.socket.recv(timeout=10)
        assert closed.value.rcvd is not None
        return message, closed.value.rcvd.code


@contextmanager
def live_server(detector: Detector, **settings: Any) -> Iterator[LiveServer]:
    """A server with these settings as long as the context lasts."""
    chosen = ServerSettings(port=0, **settings)
    listener = listen(chosen)
    config = uvicorn_config(detector, chosen)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        eventually(lambda: server.started)
        yield LiveServer(f"127.0.0.1:{listener.getsockname()[1]}", config.app.state.service)
    finally:
        server.should_exit = True
        thread.join()


def eventually(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait until something that happens elsewhere has happened."""
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.005)
