"""Streams scored in threads, several at once, so that the event loop stays free."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from deploy.stream.common_runs import LARGEST_BATCH
from deploy.stream.detector import Detector
from deploy.stream.detector_stream import StreamScore
from deploy.stream.onnx_model import Work

Scores = list[StreamScore]
_Job = tuple[Work[Scores], "asyncio.Future[Scores]"]


class Scoring:
    """Runs what has come since a thread was last free, first come, first served.

    The more streams wait, the larger a batch, and the less each costs. All methods are called in the event loop.
    """

    def __init__(self, detector: Detector, num_threads: int) -> None:
        self._detector = detector
        self._pool = ThreadPoolExecutor(num_threads, "scoring")
        self._num_free = num_threads
        self._waiting: list[_Job] = []

    async def run(self, work: Work[Scores]) -> Scores:
        """The outcome of a stream's work; raises SpoofsweepError where its samples are no audio."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Scores] = loop.create_future()
        if not self._waiting:
            # After all that the loop has received by now, so that it shares a batch.
            loop.call_soon(self._start)
        self._waiting.append((work, future))
        return await future

    def _start(self) -> None:
        """Give the free threads what waits."""
        while self._waiting and self._num_free:
            jobs, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
            self._num_free -= 1
            works = [work for work, _ in jobs]
            run = asyncio.get_running_loop().run_in_executor(self._pool, self._detector.work_together, works)
            run.add_done_callback(partial(self._deliver, jobs))

    def _deliver(self, jobs: Sequence[_Job], run: "asyncio.Future[list[Any]]") -> None:
        """Tell those who still listen."""
        self._num_free += 1
        self._start()
        fault = run.exception()
        outcomes = [fault] * len(jobs) if fault else run.result()
        for (_, future), outcome in zip(jobs, outcomes, strict=True):
            if future.done():  # its client has gone
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def close(self) -> None:
        """Let the threads end once they have nothing to do."""
        self._pool.shutdown(wait=False)
