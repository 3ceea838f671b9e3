"""Many listeners at a time: how long each waits for the score of what it said, on a server with one core.

The server runs in a process pinned to one core, all clients in a second process on the other cores. Every client
streams speech of the sample corpus in real time, a chunk each 100 ms, chunks of different clients spread evenly over
time, and notes the time from sending a chunk to the message with its scores. The peer, in the same run and on the same
core: the detector alone, scoring the same chunks one after another without a network. Every stream's verdict must be
the one that the detector gives the same audio offline.

    python benchmarks/server_load.py [--streams 200] [--seconds 20] [--chunk-ms 100] [--model FILE]

Without --model, a freshly initialised edge_gru of default size: speed does not depend on what it has learnt.
Writes server-load.md to results/reference.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
import soundfile
from machine import machine_facts, parse_arguments
from websockets.asyncio.client import connect

from data_prep.atomic import atomic_write_text
from data_prep.features_config import FeaturesConfig
from deploy.server.run import serve
from deploy.server.settings import ServerSettings
from deploy.stream.detector import Detector

SPAWN = get_context("spawn")
SAMPLE = Path(__file__).resolve().parents[1] / "data_prep" / "sample" / "LA" / "ASVspoof2019_LA_dev" / "flac"
TOLERANCE = 1e-4
"""Between scores online and offline; samples are of 16 bits in both."""
SPARE_S = 2.0
"""Between the last client's connection and the first chunk."""


@dataclass(frozen=True)
class Load:
    """What the clients do."""

    url: str
    num_streams: int
    duration_s: float
    chunk_s: float
    sample_rate: int


@dataclass(frozen=True)
class Heard:
    """What one client saw."""

    latencies_s: list[float]
    """From sending a chunk to its scores; chunks that complete no step have none."""
    late_s: float
    """By how much the client itself was late with a chunk, at worst."""
    score: float


@dataclass(frozen=True)
class Usage:
    """What the server's process took."""

    cpu_s: float
    idle_bytes: int
    busy_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--chunk-ms", type=float, default=100.0)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--output", type=Path, default=Path("results/reference/server-load.md"))
    arguments = parse_arguments(parser)
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or fresh_model(Path(folder) / "edge_gru.onnx")
        detector = Detector.load(model)
        core, *others = sorted(os.sched_getaffinity(0))
        with server_on(core, model, arguments.streams) as (url, process):
            load = Load(url, arguments.streams, arguments.seconds, arguments.chunk_ms / 1000, detector.sample_rate)
            heard, usage = measure(load, process, others or [core])
        os.sched_setaffinity(0, {core})
        peer_ms, peer_cpu_s, errors = offline(detector, load, heard)
    report(arguments, detector, load, heard, usage, peer_ms, peer_cpu_s, errors)


def fresh_model(path: Path) -> Path:
    """Made by PyTorch, which the server's process, that loads this file too, does without."""
    from fresh_detector import write_fresh_stream

    return write_fresh_stream(path, FeaturesConfig(deltas=0))


@contextmanager
def server_on(core: int, model: Path, max_streams: int) -> Iterator[tuple[str, psutil.Process]]:
    """A server pinned to one core; its address for streams, and its process."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=run_server, args=(core, model, max_streams, theirs))
    process.start()
    theirs.close()  # so that a server that dies is heard of
    try:
        yield f"{ours.recv().replace('http', 'ws', 1)}v1/stream", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.join()


def run_server(core: int, model: Path, max_streams: int, told: Connection) -> None:
    os.sched_setaffinity(0, {core})
    serve(Detector.load(model), ServerSettings(port=0, max_streams=max_streams), told.send)


def measure(load: Load, server: psutil.Process, cores: list[int]) -> tuple[list[Heard], Usage]:
    """Run the clients in a process of their own, and look at the server's meanwhile."""
    ours, theirs = SPAWN.Pipe()
    clients = SPAWN.Process(target=run_clients, args=(load, cores, theirs))
    clients.start()
    theirs.close()
    assert ours.recv() == "connected"
    idle_bytes = server.memory_info().rss
    before = server.cpu_times()
    assert ours.recv() == "streamed"
    busy_bytes = server.memory_info().rss
    # A server that lags has work left when the last chunk was sent.
    heard = ours.recv()
    after = server.cpu_times()
    clients.join()
    cpu_s = after.user + after.system - before.user - before.system
    return heard, Usage(cpu_s, idle_bytes, busy_bytes)


def run_clients(load: Load, cores: list[int], told: Connection) -> None:
    os.sched_setaffinity(0, set(cores))
    told.send(asyncio.run(listen_all(load, told)))


async def listen_all(load: Load, told: Connection) -> list[Heard]:
    connected = asyncio.Barrier(load.num_streams + 1)
    streamed = asyncio.Barrier(load.num_streams + 1)
    async with asyncio.TaskGroup() as group:  # one that fails ends all, who would wait for it
        tasks = [group.create_task(one_client(load, number, connected, streamed)) for number in range(load.num_streams)]
        await connected.wait()
        told.send("connected")
        await streamed.wait()
        told.send("streamed")
    return [task.result() for task in tasks]


async def one_client(load: Load, number: int, connected: asyncio.Barrier, streamed: asyncio.Barrier) -> Heard:
    """One stream from connection to verdict."""
    chunks = chunks_of(load, number)
    sent_s: list[float] = []
    latencies_s: list[float] = []
    async with connect(load.url, compression=None, open_timeout=60, close_timeout=60) as socket:
        await socket.send(json.dumps({"type": "start", "sample_rate": load.sample_rate, "format": "s16le"}))
        assert json.loads(await socket.recv())["type"] == "ready"
        await connected.wait()
        first_s = time.perf_counter() + SPARE_S + number / load.num_streams * load.chunk_s

        async def speak() -> float:
            late_s = 0.0
            for index, chunk in enumerate(chunks):
                due_s = first_s + index * load.chunk_s
                await asyncio.sleep(due_s - time.perf_counter())
                sent_s.append(time.perf_counter())
                late_s = max(late_s, sent_s[-1] - due_s)
                await socket.send(chunk)
            await streamed.wait()
            await socket.send('{"type": "end"}')
            return late_s

        speaking = asyncio.create_task(speak())
        async for text in socket:
            heard_s = time.perf_counter()
            message = json.loads(text)
            if message["type"] == "verdict":
                return Heard(latencies_s, await speaking, message["score"])
            latencies_s.append(heard_s - sent_s[message["chunk"] - 1])
    raise RuntimeError(f"the server ended stream {number} without a verdict")


def chunks_of(load: Load, number: int) -> list[bytes]:
    """Little-endian 16-bit samples of client ``number``: speech from its own place in the sample corpus."""
    samples_T = speech(load.sample_rate)
    num_samples = round(load.duration_s * load.sample_rate)
    first = number * len(samples_T) // load.num_streams
    own_T = np.resize(np.roll(samples_T, -first), num_samples)
    size = round(load.chunk_s * load.sample_rate)
    return [own_T[place : place + size].tobytes() for place in range(0, num_samples, size)]


@cache
def speech(sample_rate: int) -> np.ndarray:
    """All of the sample corpus's dev speech as int16, ``[num_samples]``."""
    waves, rates = zip(*(soundfile.read(path, dtype="int16") for path in sorted(SAMPLE.glob("*.flac"))), strict=True)
    assert set(rates) == {sample_rate}, f"the sample corpus has {rates[0]} Hz, the detector {sample_rate} Hz"
    return np.concatenate(waves).astype("<i2")


def offline(detector: Detector, load: Load, heard: list[Heard]) -> tuple[np.ndarray, float, np.ndarray]:
    """Milliseconds a chunk without a server, CPU seconds for all streams, and how far the server's scores were off."""
    times_ms, errors = [], []
    cpu_s = 0.0
    for number, client in enumerate(heard):
        stream, chunks = detector.stream(), chunks_of(load, number)
        begun_s = time.process_time()
        for chunk in chunks:
            chunk_s = time.perf_counter()
            stream.feed(np.frombuffer(chunk, "<i2"))
            times_ms.append(1000 * (time.perf_counter() - chunk_s))
        cpu_s += time.process_time() - begun_s
        errors.append(abs(stream.running_score - client.score))
    return np.array(times_ms), cpu_s, np.array(errors)


def report(
    arguments: argparse.Namespace,
    detector: Detector,
    load: Load,
    heard: list[Heard],
    usage: Usage,
    peer_ms: np.ndarray,
    peer_cpu_s: float,
    errors: np.ndarray,
) -> None:
    audio_s = load.num_streams * load.duration_s
    latencies_ms = 1000 * np.concatenate([client.latencies_s for client in heard])
    facts = machine_facts("onnxruntime", "uvicorn", "uvloop", "fastapi", "websockets")
    rows = [
        ("server", *quantiles(latencies_ms), f"{audio_s / usage.cpu_s:,.0f}x", f"{usage.cpu_s:.1f} s"),
        ("detector alone", *quantiles(peer_ms), f"{audio_s / peer_cpu_s:,.0f}x", f"{peer_cpu_s:.1f} s"),
    ]
    lines = [
        f"# Load on the server\n\n{', '.join(f'{key} {value}' for key, value in facts.items())}",
        f"\n    {arguments.command}\n",
        f"{load.num_streams} streams in real time, {load.duration_s:g} s each in chunks of {1000 * load.chunk_s:g} ms, "
        f"to {detector.card.architecture} ({detector.card.precision}) on a server pinned to one core.",
        "",
        "| | p50 ms | p95 ms | p99 ms | max ms | real time a core | CPU |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"- Server: {100 * usage.cpu_s / load.duration_s:.0f}% of its core, {usage.cpu_s / peer_cpu_s:.1f} times the "
        f"CPU time of the detector alone; {usage.busy_bytes / 2**20:.0f} MB of memory, "
        f"{(usage.busy_bytes - usage.idle_bytes) / 2**20:+.1f} MB while the streams ran.",
        f"- Scores later than the next chunk: {100 * np.mean(latencies_ms > 1000 * load.chunk_s):.2f}%. "
        f"Clients were themselves late by {1000 * max(client.late_s for client in heard):.0f} ms at worst.",
        f"- Verdicts differ from the detector's own by {errors.max():.1g} at most.",
        "",
    ]
    text = "\n".join(lines)
    print(text)
    atomic_write_text(arguments.output, text)
    assert errors.max() < TOLERANCE, "the server's verdicts are not the detector's"


def quantiles(times_ms: np.ndarray) -> list[str]:
    return [f"{value:.2f}" for value in (*np.percentile(times_ms, (50, 95, 99)), times_ms.max())]


if __name__ == "__main__":
    main()
