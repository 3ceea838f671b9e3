"""An example client: streams an audio file to a server and prints what it answers.

    python -m deploy.server.client speech.flac [--url ws://localhost:8765/v1/stream] [--real-time]

The server's token, where it asks for one, is taken from the environment variable that the server reads as well.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from cluster.errors import SpoofsweepError
from deploy.server.command import TOKEN_VARIABLE

DEFAULT_URL = "ws://localhost:8765/v1/stream"


@dataclass(frozen=True)
class StreamRequest:
    """What is to be streamed, and how."""

    path: Path
    url: str = DEFAULT_URL
    chunk_s: float = 0.1
    real_time: bool = False
    """Wait for each chunk as long as it lasts, as a microphone does; else as fast as the server takes them."""
    token: str | None = None


async def stream_file(request: StreamRequest) -> AsyncIterator[dict[str, Any]]:
    """Every message of the server, as it comes: ``ready``, ``scores``..., at last ``verdict`` or ``error``."""
    with soundfile.SoundFile(request.path) as file:
        async with connect(request.url, compression=None) as socket:
            sender = asyncio.create_task(_send(socket, file, request))
            try:
                async for text in socket:
                    yield json.loads(text)
            finally:
                sender.cancel()


async def _send(socket: ClientConnection, file: soundfile.SoundFile, request: StreamRequest) -> None:
    """The start message, the samples, the end message."""
    start = {"type": "start", "sample_rate": file.samplerate, "format": "f32le"}
    token = {} if request.token is None else {"token": request.token}
    begun_s = time.monotonic()
    try:
        await socket.send(json.dumps(start | token))
        for number, chunk in enumerate(_chunks(file, request.chunk_s), 1):
            if request.real_time:
                await asyncio.sleep(begun_s + number * request.chunk_s - time.monotonic())
            await socket.send(chunk)
        await socket.send(json.dumps({"type": "end"}))
    except ConnectionClosed:
        pass  # the server said why in its last message


def _chunks(file: soundfile.SoundFile, chunk_s: float) -> Iterator[bytes]:
    """A file's samples, the mean of its channels, as little-endian float32."""
    for block_TC in file.blocks(round(chunk_s * file.samplerate), dtype="float32", always_2d=True):
        yield block_TC.mean(axis=1).astype("<f4").tobytes()


def in_words(message: dict[str, Any]) -> str:
    """A message of the server as a line of text."""
    match message["type"]:
        case "ready":
            return f"{message['architecture']} at {message['sample_rate']} Hz, threshold {message['threshold']:+.3f}"
        case "scores":
            last = message["results"][-1]
            running = "      -" if last["running_score"] is None else f"{last['running_score']:+7.3f}"
            return f"{last['end_s']:8.2f} s  {last['score']:+7.3f}  {running}  {last['label'] or '-'}"
        case "verdict":
            return f"verdict on {message['duration_s']:.2f} s: {message['label']}, score {message['score']}"
        case _:
            return f"refused: {SpoofsweepError(message['rule'], message['value'], message['remedy'])}"


async def _main() -> None:
    parser = argparse.ArgumentParser(description="Stream an audio file to a server of spoofsweep.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument("--real-time", action="store_true")
    arguments = parser.parse_args()
    token = os.environ.get(TOKEN_VARIABLE)
    try:
        async for message in stream_file(StreamRequest(**vars(arguments), token=token)):
            print(in_words(message), flush=True)
    except (OSError, soundfile.LibsndfileError) as error:  # no server there, or no audio
        raise SystemExit(f"{arguments.path} to {arguments.url}: {error}") from error


if __name__ == "__main__":
    asyncio.run(_main())
