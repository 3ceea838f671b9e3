"""Clients that err, dawdle, hurry or vanish: their own streams end, with a reason, and nobody else's."""

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from live_server import RATE, eventually, live_server
from small_graphs import write_stream_file

from deploy.stream.detector import Detector

SECOND = np.random.default_rng(0).normal(0.0, 0.1, RATE).astype(np.float32)
CHUNK = SECOND[:1600]


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> Detector:
    return Detector.load(write_stream_file(tmp_path_factory.mktemp("server") / "detector.onnx"))


@pytest.fixture(scope="module")
def server(detector):
    with live_server(detector, max_chunk_bytes=100_000) as server:
        yield server


@pytest.fixture
def bystander(server):
    """Somebody else's stream, which must go on as if nothing had been."""
    with server.stream() as client:
        client.feed(SECOND)
        client.hear()
        yield client
        client.feed(SECOND)
        assert client.end()[-1]["duration_s"] == 2.0
    eventually(lambda: server.service.gate.streams.taken == 0)


def with_nan():
    spoilt = CHUNK.copy()
    spoilt[7] = np.nan
    return spoilt.tobytes()


@pytest.mark.parametrize(
    ("message", "reason", "code", "rule"),
    [
        (CHUNK.tobytes()[:-1], "chunk", 1007, "multiple of 4 bytes"),
        (with_nan(), "chunk", 1007, "finite"),
        ((CHUNK * 2**15).tobytes(), "chunk", 1007, "between -1 and 1"),
        (bytes(100_004), "too_large", 1009, "at most 100000 bytes"),
        ("hello", "message", 1008, "only samples"),
        ('{"type": "stop"}', "message", 1008, "only samples"),
        ("[" * 100_000, "message", 1008, "only samples"),
    ],
)
def test_a_malformed_message_ends_its_stream_alone(server, bystander, message, reason, code, rule):
    before = server.metric(f'spoofsweep_rejected_total{{reason="{reason}"}}')
    with server.stream() as client:
        client.feed(CHUNK)
        client.socket.send(message)
        error, close_code = client.refusal()
    assert (error["reason"], close_code) == (reason, code)
    assert rule in error["rule"]
    assert error.keys() == {"type", "reason", "rule", "value", "remedy"}
    assert server.metric(f'spoofsweep_rejected_total{{reason="{reason}"}}') == before + 1


def test_an_odd_byte_of_16_bits(server, bystander):
    with server.stream(format="s16le") as client:
        client.socket.send(bytes(3))
        error, _ = client.refusal()
    assert error["value"] == "3 bytes"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"\0\0", "begins with a JSON message"),
        ("[1]", "begins with a JSON message"),
        ("{}", "'sample_rate'"),
        ('{"type": "start", "sample_rate": ' + 5000 * "9" + "}", "begins with a JSON message"),
        ('{"type": "start", "sample_rate": 100}', "greater than or equal to 4000"),
        ('{"type": "start", "sample_rate": 16000, "format": "mp3"}', "'s16le' or 'f32le'"),
        ('{"type": "start", "sample_rate": 16000, "chunks": 3}', "unknown key 'chunks'"),
        ('{"type": "start", "sample_rate": 16000, "aggregation": {"kind": "median"}}', "unknown value"),
        ('{"type": "start", "sample_rate": 16000, "aggregation": {"kind": "sliding", "window_s": 1e9}}', "600"),
    ],
)
def test_a_stream_that_begins_otherwise(server, bystander, message, words):
    with server.connect() as client:
        client.socket.send(message)
        error, code = client.refusal()
    assert (error["reason"], code) == ("message", 1008)
    assert words in error["rule"]


def test_far_too_large_a_chunk_is_not_even_received(server, bystander):
    with server.stream() as client:
        client.socket.send(bytes(300_000))
        with pytest.raises(Exception, match="1009"):
            client.hear()


def test_a_full_server_refuses_and_later_admits(detector):
    with live_server(detector, max_streams=1) as server:
        with server.stream():
            assert server.get("/readyz").status_code == 503
            with server.connect() as client:
                client.say({"type": "start", "sample_rate": RATE})
                error, code = client.refusal()
        assert (error["reason"], code) == ("full", 1013)
        eventually(lambda: server.get("/readyz").status_code == 200)
        with server.stream() as client:
            client.feed(SECOND)
            assert client.end()[-1]["type"] == "verdict"


def test_silent_clients_leave(detector):
    with live_server(detector, max_streams=2, idle_timeout_s=0.2) as server, server.stream() as begun:
        error, code = begun.refusal()
        assert (error["reason"], code) == ("idle", 1008)
        with server.connect() as never_begun:
            assert never_begun.refusal()[0]["reason"] == "idle"
        eventually(lambda: server.service.gate.newcomers.taken == server.service.gate.streams.taken == 0)


def test_clients_that_never_begin_are_limited(detector):
    with live_server(detector, max_streams=1) as server, server.connect(), server.connect() as second:
        assert second.refusal()[0]["reason"] == "full"


def test_the_longest_stream_by_its_audio(detector):
    with live_server(detector, max_stream_s=2.5) as server, server.stream() as client:
        for _ in range(3):
            client.feed(SECOND)
        error, code = client.refusal()
    assert (error["reason"], code) == ("too_long", 1008)


def test_the_longest_stream_by_the_clock(detector):
    """A client that sends next to nothing, but in time, does not keep its place for ever."""
    with live_server(detector, max_stream_s=0.3, idle_timeout_s=5.0) as server, server.stream() as client:
        client.feed(CHUNK[:10])
        assert client.refusal()[0]["reason"] == "too_long"


def test_a_vanished_client_frees_its_place_at_once(server, bystander):
    with server.stream() as client:
        client.feed(CHUNK)
        assert server.metric("spoofsweep_streams_open") == 2
        # Sent by a reset, as by a process that was killed with data unread.
        client.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        client.socket.socket.shutdown(socket.SHUT_RD)
        client.socket.socket.close()
    eventually(lambda: server.service.gate.streams.taken == 1, within_s=1.0)


def test_samples_sent_faster_than_scored_wait_at_the_client(server, bystander, monkeypatch):
    """The server takes no more than the sockets hold; an unbounded queue would take all of it."""
    release = threading.Event()
    together = server.service.detector.work_together
    monkeypatch.setattr(server.service.detector, "work_together", lambda works: release.wait(10) and together(works))
    num_sent = 0

    def hurry(client):
        nonlocal num_sent
        for _ in range(500):
            client.feed(SECOND)
            num_sent += 1

    with server.stream() as client:
        sender = threading.Thread(target=hurry, args=[client])
        sender.start()
        time.sleep(0.5)
        held = num_sent
        release.set()
        threading.Thread(target=lambda: [None for _ in client.socket], daemon=True).start()
        sender.join()
    assert held < 300


def test_a_client_that_takes_no_scores_is_left_and_the_others_go_on(detector):
    """Its results fill the sockets' buffers and no more; once it reads again, it hears why."""
    with live_server(detector, idle_timeout_s=0.5) as server:
        streams = server.service.gate.streams
        with slow_reader(server) as slow, server.stream() as quick:
            eventually(lambda: streams.taken == 2)
            while streams.taken == 2:
                quick.feed(CHUNK)
                quick.hear()
            heard = b""
            while b'"reason": "slow_reader"' not in heard:
                part = slow.recv(65536)
                assert part, "the server left without a word"
                heard = heard[-100:] + part
            quick.feed(SECOND)
            assert quick.end()[-1]["type"] == "verdict"
        assert server.metric('spoofsweep_rejected_total{reason="slow_reader"}') == 1


@contextmanager
def slow_reader(server):
    """The socket of a client that sends and sends; it reads through a small buffer, and only what the test reads."""
    host, port = server.address.split(":")
    head = f"GET /v1/stream HTTP/1.1\r\nHost: {server.address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect((host, int(port)))
        raw.sendall((head + key).encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 101")
        raw.sendall(frame(1, json.dumps({"type": "start", "sample_rate": RATE, "format": "f32le"}).encode()))

        def send_on():
            with suppress(OSError):  # the server has left, or the test is over
                while True:
                    raw.sendall(frame(2, SECOND.tobytes()))

        threading.Thread(target=send_on, daemon=True).start()
        yield raw


def frame(opcode: int, payload: bytes) -> bytes:
    """A masked WebSocket frame of less than 64 kB; the mask is zero."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + size.to_bytes(2)
    return bytes([0x80 | opcode]) + length + bytes(4) + payload
