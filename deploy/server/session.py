"""One WebSocket client: its stream from the first message to the verdict.

A session does one thing at a time: it receives a chunk, has it scored, sends the scores, and only then receives the
next. Whatever comes faster waits in the client's own socket, and no queue of ours can grow.
"""

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from cluster.errors import SpoofsweepError
from deploy.server.gate import bearer_token
from deploy.server.protocol import Start, check_end, parse_samples, parse_start
from deploy.server.refusal import Reason, RefusedError
from deploy.server.service import Service
from deploy.stream.detector_stream import DetectorStream, StreamScore
from deploy.stream.onnx_model import Work
from deploy.stream.voice_activity import VoiceActivity

_NORMAL_CLOSURE = 1000


class Session:
    """A stream of one client.

    Args:
        service: what all sessions share.
        socket: not yet accepted.
    """

    def __init__(self, service: Service, socket: WebSocket) -> None:
        self._service = service
        self._settings = service.settings
        self._socket = socket
        self._ends_s = time.monotonic() + service.settings.max_stream_s
        self._num_chunks = 0
        self._has_scores = False

    async def run(self) -> None:
        """Talk to the client until either side ends; its mistakes end this stream alone."""
        try:
            await self._socket.accept()
            await self._converse()
        except RefusedError as refusal:
            self._service.metrics.reject(refusal.reason)
            await self._dismiss(refusal)
        except WebSocketDisconnect:
            pass  # whoever leaves is owed nothing

    async def _dismiss(self, refusal: RefusedError) -> None:
        """Say why, and close; one who has taken nothing for long may take as long again to hear it."""
        with suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(self._settings.idle_timeout_s):
                await self._socket.send_text(json.dumps(refusal.to_message()))
                await self._socket.close(refusal.reason.close_code, refusal.reason.label)

    async def _converse(self) -> None:
        gate = self._service.gate
        with gate.newcomers.place():
            start = await self._admit()
        with gate.streams.place():
            stream = self._open(start)
            await self._send({"type": "ready"} | self._service.describe())
            await self._score_chunks(stream, start)
            await self._conclude(stream)

    async def _admit(self) -> Start:
        gate, headers = self._service.gate, self._socket.headers
        gate.check_origin(headers)
        start = parse_start(await self._receive())
        gate.check_token(start.token.get_secret_value() if start.token else bearer_token(headers))
        return start

    def _open(self, start: Start) -> DetectorStream:
        voice_activity = VoiceActivity() if start.voice_activity else None
        aggregation = start.aggregation.build()
        try:
            return self._service.detector.stream(start.sample_rate, aggregation, voice_activity, start.warm_up_s)
        except SpoofsweepError as error:
            raise RefusedError.of(Reason.MESSAGE, error) from error

    async def _score_chunks(self, stream: DetectorStream, start: Start) -> None:
        """Score chunk by chunk until the client's end message."""
        metrics = self._service.metrics
        while isinstance(message := await self._receive(), bytes):
            received_s = time.perf_counter()
            samples_T = self._samples_of(message, start)
            await self._score(stream.feeding(samples_T))
            if stream.duration_s > self._settings.max_stream_s:
                raise self._too_long()
            metrics.chunk_latency_s.observe(time.perf_counter() - received_s)
            metrics.streamed_s.inc(len(samples_T) / start.sample_rate)
        check_end(message)

    def _samples_of(self, chunk: bytes, start: Start) -> Any:
        if len(chunk) > self._settings.max_chunk_bytes:
            rule = f"a chunk has at most {self._settings.max_chunk_bytes} bytes"
            raise RefusedError(Reason.TOO_LARGE, rule, f"{len(chunk)} bytes", "send it in parts")
        self._num_chunks += 1
        return parse_samples(chunk, start.format)

    async def _score(self, work: Work[list[StreamScore]]) -> None:
        """Send what the detector says; what it finds wrong with the samples is the client's mistake."""
        try:
            scores = await self._service.scoring.run(work)
        except SpoofsweepError as error:
            raise RefusedError.of(Reason.CHUNK, error) from error
        if scores:
            self._has_scores = True
            results = [score._asdict() for score in scores]
            await self._send({"type": "scores", "chunk": self._num_chunks, "results": results})

    async def _conclude(self, stream: DetectorStream) -> None:
        await self._score(stream.finishing())
        if not self._has_scores:
            raise RefusedError(Reason.AUDIO, "audio must last long enough to be scored", f"{stream.duration_s:g} s")
        verdict = {
            "label": stream.label,
            "score": stream.running_score,
            "llr": stream.llr,
            "threshold": self._service.detector.threshold,
            "duration_s": stream.duration_s,
            "lowest": None if stream.lowest is None else stream.lowest._asdict(),
        }
        await self._send({"type": "verdict"} | verdict)
        await self._socket.close(_NORMAL_CLOSURE)

    async def _receive(self) -> str | bytes:
        """The next message.

        Raises:
            RefusedError: none came in time.
            WebSocketDisconnect: the client has gone.
        """
        left_s = self._ends_s - time.monotonic()
        try:
            async with asyncio.timeout(min(left_s, self._settings.idle_timeout_s)):
                event = await self._socket.receive()
        except TimeoutError as error:
            if left_s < self._settings.idle_timeout_s:
                raise self._too_long() from error
            rule = f"a client sends something at least every {self._settings.idle_timeout_s:g} s"
            raise RefusedError(Reason.IDLE, rule, "nothing", "connect again") from error
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event["code"])
        # Some servers name both kinds, one of them None.
        text: str | None = event.get("text")
        return event["bytes"] if text is None else text

    async def _send(self, message: dict[str, Any]) -> None:
        """Send a JSON object.

        Raises:
            RefusedError: the client does not take what it was sent before.
            WebSocketDisconnect: the client has gone.
        """
        try:
            async with asyncio.timeout(self._settings.idle_timeout_s):
                await self._socket.send_text(json.dumps(message))
        except TimeoutError as error:
            rule = f"a client takes what it is sent within {self._settings.idle_timeout_s:g} s"
            raise RefusedError(Reason.SLOW_READER, rule, "one that does not", "connect again and read") from error

    def _too_long(self) -> RefusedError:
        rule = f"a stream lasts at most {self._settings.max_stream_s:g} s"
        return RefusedError(Reason.TOO_LONG, rule, None, "end it and begin another")
