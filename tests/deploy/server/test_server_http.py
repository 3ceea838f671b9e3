"""Files sent to be scored, probes, metrics, tokens, origins, and what every answer carries."""

import logging
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress

import numpy as np
import pytest
import requests
import soundfile
from live_server import RATE, eventually, live_server
from pydantic import SecretStr
from small_graphs import write_stream_file

from cluster.errors import SpoofsweepError
from deploy.server.run import listen
from deploy.server.settings import ServerSettings
from deploy.stream.detector import Detector

WAVE = np.random.default_rng(0).normal(0.05, 0.1, RATE * 2).astype(np.float32)
TOKEN = "open-sesame"


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> Detector:
    return Detector.load(write_stream_file(tmp_path_factory.mktemp("server") / "detector.onnx"))


@pytest.fixture(scope="module")
def server(detector):
    with live_server(detector, max_upload_bytes=200_000, max_upload_s=5.0) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(detector):
    with live_server(detector, token=TOKEN, allowed_origins=("https://ours.example",)) as server:
        yield server


@pytest.mark.parametrize(("name", "dtype"), [("s16le", "<i2"), ("f32le", "<f4")])
def test_raw_samples(server, detector, name, dtype):
    wave = (WAVE * 2**15).astype(dtype) if dtype == "<i2" else WAVE
    answer = server.post(wave.tobytes(), f"?format={name}&sample_rate={RATE}").json()
    assert answer["score"] == pytest.approx(detector.score(WAVE, RATE).score, abs=1e-4)
    assert answer.keys() == {"label", "score", "threshold", "duration_s"}


def test_a_body_in_pieces(server, detector):
    body = WAVE.tobytes()
    pieces = (body[first : first + 10_000] for first in range(0, len(body), 10_000))
    answer = server.post(pieces, f"?format=f32le&sample_rate={RATE}").json()
    assert answer["score"] == pytest.approx(detector.score(WAVE, RATE).score, abs=1e-6)


@pytest.mark.parametrize(
    ("body", "query", "status", "reason"),
    [
        (b"no audio at all", "", 422, "audio"),
        (b"", "", 422, "audio"),
        (bytes(7), f"?format=s16le&sample_rate={RATE}", 400, "chunk"),
        (bytes(100), f"?format=s16le&sample_rate={RATE}", 422, "audio"),
        (np.full(RATE, np.nan, "<f4").tobytes(), f"?format=f32le&sample_rate={RATE}", 422, "audio"),
        (bytes(8), "?format=s16le", 400, "message"),
        (bytes(8), f"?format=mp3&sample_rate={RATE}", 400, "message"),
        (bytes(8), "?format=s16le&sample_rate=7", 400, "message"),
        (bytes(200_001), f"?format=s16le&sample_rate={RATE}", 413, "too_large"),
        (bytes(100_000), "?format=s16le&sample_rate=8000", 413, "too_long"),
    ],
)
def test_bodies_that_are_refused(server, body, query, status, reason):
    answer = server.post(body, query)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert server.get("/healthz").json() == {"healthy": True}


def test_a_body_of_unknown_length_is_bounded(server):
    """The server stops reading at the limit, however much would come."""
    pieces = (bytes(10_000) for _ in range(10_000))
    with suppress(requests.ConnectionError):  # it may have left before the client looks for an answer
        assert server.post(pieces).status_code == 413
    eventually(lambda: server.service.gate.uploads.taken == 0)


def test_a_small_file_that_decodes_to_hours_is_not_unpacked(server, tmp_path):
    path = tmp_path / "bomb.flac"
    wave = np.zeros(RATE * 1200, np.int16)
    wave[:RATE] = 9000
    soundfile.write(path, wave, RATE)
    assert path.stat().st_size < 200_000
    answer = server.post(path.read_bytes())
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_long")


def test_a_stalled_upload_leaves(detector):
    with live_server(detector, idle_timeout_s=0.2, max_uploads=1) as server:
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(
                f"POST /v1/score HTTP/1.1\r\nHost: {server.address}\r\nContent-Length: 1000\r\n\r\nRIFF".encode()
            )
            eventually(lambda: server.service.gate.uploads.taken == 1)
            assert server.post(b"x").json()["reason"] == "full"
            assert raw.recv(100).startswith(b"HTTP/1.1 408")
        eventually(lambda: server.service.gate.uploads.taken == 0)


def test_a_client_that_leaves_during_its_upload(server, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "handlers", [caplog.handler])
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"POST /v1/score HTTP/1.1\r\nHost: {server.address}\r\nContent-Length: 1000\r\n\r\nRIFF".encode())
        eventually(lambda: server.service.gate.uploads.taken == 1)
    eventually(lambda: server.service.gate.uploads.taken == 0)
    assert not caplog.records


def test_streams_go_on_while_files_are_scored(server):
    """A file has a thread of its own, and may not keep listeners waiting."""
    with server.stream() as client:
        uploads = [threading.Thread(target=server.post, args=[bytes(150_000)]) for _ in range(3)]
        for upload in uploads:
            upload.start()
        for _ in range(20):
            client.feed(WAVE[:1600])
            assert client.hear()["type"] == "scores"
        for upload in uploads:
            upload.join()


def test_metrics(detector):
    with live_server(detector) as server:
        with server.stream() as client:
            client.feed(WAVE)
            client.hear()
            assert server.metric("spoofsweep_streams_open") == 1
            client.end()
        server.post(WAVE.tobytes(), f"?format=f32le&sample_rate={RATE}")
        eventually(lambda: server.metric("spoofsweep_streams_open") == 0)
        assert server.metric('spoofsweep_audio_seconds_total{source="stream"}') == 2.0
        assert server.metric('spoofsweep_audio_seconds_total{source="upload"}') == 2.0
        assert server.metric("spoofsweep_chunk_latency_seconds_count") == 1
        assert server.metric('spoofsweep_rejected_total{reason="token"}') == 0
        assert server.get("/metrics").headers["content-type"].startswith("text/plain; version=")


def test_the_token_opens(guarded):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.post(WAVE.tobytes(), "?format=f32le&sample_rate=16000", headers=bearer).status_code == 200
    assert guarded.get("/metrics", headers=bearer).status_code == 200
    with guarded.stream(token=TOKEN) as client:
        client.feed(WAVE)
        assert client.end()[-1]["type"] == "verdict"


def test_nothing_but_the_token_opens(guarded):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}):
        answer = guarded.post(b"", headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (401, "token")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for shown in ({}, {"token": "wrong"}, {"token": "\u00e9"}, {"token": "\ud800"}):
        with guarded.connect() as client:
            client.say({"type": "start", "sample_rate": RATE} | shown)
            error, code = client.refusal()
        assert (error["reason"], code) == ("token", 1008)
        assert TOKEN not in str(error)
    assert guarded.get("/metrics").status_code == 401
    for path in ("/", "/healthz", "/readyz", "/v1/detector"):
        assert guarded.get(path).status_code == 200
    assert guarded.get("/v1/detector").json()["asks_for_token"]


def test_pages_of_others_are_refused(guarded):
    start = {"type": "start", "sample_rate": RATE, "token": TOKEN}
    for origin in ("https://evil.example", "null"):
        with guarded.connect(origin=origin) as client:
            assert client.refusal()[0]["reason"] == "origin"
    for origin in ("https://ours.example", f"http://{guarded.address}"):
        with guarded.connect(origin=origin) as client:
            client.say(start)
            assert client.hear()["type"] == "ready"
    assert guarded.post(b"", headers={"Origin": "https://evil.example"}).json()["reason"] == "origin"
    allowed = guarded.get("/healthz", headers={"Origin": "https://ours.example"}).headers
    assert allowed["access-control-allow-origin"] == "https://ours.example"


def test_the_page_loads_nothing_from_elsewhere(server):
    answer = server.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    for name in ("app.js", "style.css", "recorder.js", "icon.svg"):
        assert server.get(f"/page/{name}").status_code == 200
    assert server.get("/page/..%2fapp.py").status_code == 404


def test_an_address_in_use(server):
    port = int(server.address.split(":")[1])
    with pytest.raises(SpoofsweepError, match="must be free"):
        listen(ServerSettings(port=port))


def test_the_token_is_never_shown():
    assert "abc" not in repr(ServerSettings(token=SecretStr("abc")))


def test_the_server_needs_no_torch(tmp_path):
    """It starts in a second, on a machine that has none."""
    code = (
        "import sys, deploy.server.run; sys.exit(any(n in sys.modules for n in ('torch', 'mlflow', 'ray', 'pandas')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
