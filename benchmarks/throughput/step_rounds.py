"""A contestant in a process of its own, which steps when it is told to and says what it took."""

import gc
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import torch
from spans import covered

from throughput.feature_pipelines import LOADERS
from throughput.training_contestants import Contest, Contestant, make

_GPU_WORK = {"kernel", "gpu_memcpy", "gpu_memset"}
"""Categories of a profiler's trace during which the GPU is at work."""
_PROFILED_STEPS = 50
_WARM_UP_STEPS = 3
_TRIAL_SHARE = 0.5
"""Of a round: how long each number of workers is tried."""


@dataclass(frozen=True)
class Round:
    """What some seconds of stepping gave."""

    utterances_per_s: float
    input_share: float
    """Of the time, spent on the input by the process that trains."""
    worker_cores: float
    """Cores that the workers of the loader kept busy."""
    memory_bytes: int
    """Of the process and its workers, memory that several map divided between them (proportional set size)."""
    step_s: float


class Runner:
    """The near end of a contestant's process."""

    def __init__(self, name: str, contest: Contest, worker_counts: Sequence[int], num_threads: int) -> None:
        # A new process, not a fork: it initialises CUDA for itself, and its memory is its own.
        context = multiprocessing.get_context("spawn")
        self._connection, far = context.Pipe()
        arguments = (far, name, contest, worker_counts, num_threads)
        self._process = context.Process(target=_serve, args=arguments)
        self._process.start()
        far.close()

    def prepare(self, seconds: float) -> int:
        """Make the contestant; a loader tries each number of workers for part of a round, and the best is returned."""
        return self._ask("prepare", seconds)

    def round(self, seconds: float, watch_input: bool = False) -> Round:
        """Step for so long; ``watch_input`` measures the input of ours, at a cost."""
        return self._ask("round", seconds, watch_input)

    def gpu_s_per_step(self) -> float:
        """Seconds of a step during which the GPU is at work."""
        return self._ask("gpu")

    def manner(self) -> str:
        """How its steps run, in a line."""
        return self._ask("manner")

    def peak_gpu_bytes(self) -> int:
        """Most memory that tensors took on the GPU."""
        return self._ask("memory")

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()

    def _ask(self, *command: Any) -> Any:
        self._connection.send(command)
        return self._connection.recv()


@contextmanager
def running(
    names: Sequence[str], contest: Contest, workers: Sequence[int], threads: int
) -> Iterator[dict[str, Runner]]:
    """A runner each, ended in any case."""
    runners: dict[str, Runner] = {}
    try:
        for name in names:
            runners[name] = Runner(name, contest, workers, threads)
        yield runners
    finally:
        for runner in runners.values():
            runner.close()


def _serve(connection: Connection, name: str, contest: Contest, worker_counts: Sequence[int], threads: int) -> None:
    torch.set_num_threads(threads)
    bench = _Bench(name, contest, worker_counts)
    actions = {
        "prepare": bench.prepare,
        "round": bench.round,
        "gpu": bench.gpu_s_per_step,
        "manner": bench.manner,
        "memory": torch.cuda.max_memory_allocated,
    }
    while True:
        try:
            action, *arguments = connection.recv()
        except EOFError:
            bench.drop()
            return
        connection.send(actions[action](*arguments))


class _Bench:
    """The far end."""

    def __init__(self, name: str, contest: Contest, worker_counts: Sequence[int]) -> None:
        self._name, self._contest, self._worker_counts = name, contest, worker_counts
        self._contestant: Contestant

    def prepare(self, seconds: float) -> int:
        counts = self._worker_counts if self._name in LOADERS else (0,)
        rates = {}
        for count in counts:
            self._make(count)
            rates[count] = self.round(_TRIAL_SHARE * seconds).utterances_per_s
        best = max(rates, key=lambda count: rates[count])
        if best != counts[-1]:
            self._make(best)
            self.round(_TRIAL_SHARE * seconds)
        return best

    def manner(self) -> str:
        return self._contestant.manner

    def drop(self) -> None:
        """Let the contestant go, and with it its workers."""
        self.__dict__.pop("_contestant", None)
        gc.collect()

    def _make(self, num_workers: int) -> None:
        self.drop()
        self._contestant = make(self._name, self._contest, num_workers)

    def round(self, seconds: float, watch_input: bool = False) -> Round:
        contestant = self._contestant
        # First what lies ready from the round before, else a slow loader would be flattered.
        for _ in range(_WARM_UP_STEPS + contestant.steps_ahead):
            contestant.step()
        self._synchronise()
        contestant.input_s, steps = 0.0, 0
        contestant.watch_input(watch_input)
        workers_before, started = _worker_seconds(), time.perf_counter()
        while time.perf_counter() - started < seconds:
            contestant.step()
            steps += 1
        self._synchronise()
        elapsed = time.perf_counter() - started
        contestant.watch_input(False)
        return Round(
            utterances_per_s=steps * self._contest.config.batch.size / elapsed,
            input_share=contestant.input_s / elapsed,
            worker_cores=(_worker_seconds() - workers_before) / elapsed,
            memory_bytes=_memory_bytes(),
            step_s=elapsed / steps,
        )

    def gpu_s_per_step(self) -> float:
        self._contestant.step()
        self._synchronise()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            for _ in range(_PROFILED_STEPS):
                self._contestant.step()
            self._synchronise()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trace.json"
            profile.export_chrome_trace(str(path))
            events = json.loads(path.read_text())["traceEvents"]
        work = [(e["ts"], e["ts"] + e["dur"]) for e in events if e.get("cat") in _GPU_WORK]
        return covered(work) * 1e-6 / _PROFILED_STEPS

    def _synchronise(self) -> None:
        if self._contest.device == "cuda":
            torch.cuda.synchronize()


def _family() -> list[psutil.Process]:
    return psutil.Process(os.getpid()).children(recursive=True)


def _worker_seconds() -> float:
    seconds = 0.0
    for process in _family():
        with suppress(psutil.NoSuchProcess):  # ended since it was listed
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


def _memory_bytes() -> int:
    total = 0
    for process in [psutil.Process(os.getpid()), *_family()]:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total
