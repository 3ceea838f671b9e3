"""A whole file, or raw samples, scored at once.

Array names carry shapes: T samples.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
from fastapi import Request

from cluster.errors import SpoofsweepError
from data_prep.decode_error import DecodeError
from data_prep.decoding import decode_parts
from deploy.detection import Detection
from deploy.server.gate import bearer_token
from deploy.server.protocol import check_whole_samples
from deploy.server.refusal import Reason, RefusedError
from deploy.server.service import Service
from deploy.stream.live_options import SampleFormat
from deploy.stream.samples import RAW_TYPES, Wave, checked_samples


class Upload:
    """One file of one client.

    Args:
        sample_format: of raw samples at ``sample_rate`` Hz; none means an audio file.
    """

    def __init__(self, service: Service, sample_format: SampleFormat | None, sample_rate: int | None) -> None:
        if (sample_format is None) != (sample_rate is None):
            raise RefusedError(Reason.MESSAGE, "raw samples need both format and sample_rate, an audio file neither")
        self._service = service
        self._settings = service.settings
        self._format = sample_format
        self._rate = sample_rate

    async def verdict(self, request: Request, windows: bool) -> dict[str, Any]:
        """The JSON object that answers the request.

        Args:
            windows: tell the score of every step or window as well.

        Raises:
            RefusedError: it is not admitted, too large, or no audio.
        """
        gate = self._service.gate
        gate.check_origin(request.headers)
        gate.check_token(bearer_token(request.headers))
        with gate.uploads.place(), tempfile.NamedTemporaryFile(prefix="spoofsweep-") as file:
            num_bytes = await self._receive(request, file)
            loop, pool = asyncio.get_running_loop(), self._service.uploads
            detection = await loop.run_in_executor(pool, self._score, Path(file.name), num_bytes)
        self._service.metrics.uploaded_s.inc(detection.duration_s)
        answer = asdict(detection)
        return answer if windows else {key: value for key, value in answer.items() if key != "windows"}

    async def _receive(self, request: Request, file: IO[bytes]) -> int:
        """Put the body into ``file``; returns its bytes."""
        self._check_size(int(request.headers.get("content-length", 0)))
        parts = request.stream()
        num_bytes = 0
        while part := await self._next(parts):
            num_bytes += len(part)
            self._check_size(num_bytes)
            file.write(part)
        file.flush()
        return num_bytes

    async def _next(self, parts: Any) -> bytes | None:
        try:
            async with asyncio.timeout(self._settings.idle_timeout_s):
                return await anext(parts, None)
        except TimeoutError as error:
            rule = f"an upload pauses for at most {self._settings.idle_timeout_s:g} s"
            raise RefusedError(Reason.IDLE, rule, "a longer pause", "send it again") from error

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self._settings.max_upload_bytes:
            rule = f"a file has at most {self._settings.max_upload_bytes} bytes"
            raise RefusedError(Reason.TOO_LARGE, rule, None, "stream it to /v1/stream, or send it in parts")

    def _score(self, path: Path, num_bytes: int) -> Detection:
        """In a thread."""
        try:
            parts = self._parts(path, num_bytes)
            first_T, rate = next(parts)
            waves = chain([first_T], (part_T for part_T, _ in parts))
            return self._service.detector.score_parts(self._bounded(waves, rate), rate)
        except DecodeError as error:
            raise RefusedError(Reason.AUDIO, "a file must hold usable audio", error.reason) from error
        except SpoofsweepError as error:
            raise RefusedError.of(Reason.AUDIO, error) from error

    def _parts(self, path: Path, num_bytes: int) -> Iterator[tuple[Wave, int]]:
        """Parts ``[num_samples]`` of the wave, and its rate."""
        if self._format is None or self._rate is None:
            return decode_parts(path)
        check_whole_samples(num_bytes, self._format)
        return iter([(checked_samples(np.fromfile(path, RAW_TYPES[self._format])), self._rate)])

    def _bounded(self, parts: Iterator[Wave], rate: int) -> Iterator[Wave]:
        """The same, up to what a file may last; a small one may decode to days."""
        num_samples = 0
        for part_T in parts:
            num_samples += len(part_T)
            if num_samples > self._settings.max_upload_s * rate:
                rule = f"a file lasts at most {self._settings.max_upload_s:g} s"
                raise RefusedError(Reason.TOO_LONG, rule, None, "stream it to /v1/stream, or send it in parts")
            yield part_T
