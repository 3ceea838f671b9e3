"""A step captured as one CUDA graph, so that a GPU is not kept waiting for a small network's launches.

Source of the method: PyTorch's notes on CUDA semantics, "CUDA Graphs", whole-network capture.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain

import torch
from torch import Tensor

from trainable.training.step import Batch, Step

_WARM_UP_STEPS = 3
_TIMED_STEPS = 10


class StepGraph:
    """Replays one captured step with any batch of the same size; leaves no trace of its own making.

    Dropout and masks differ from step to step as they do without a graph: PyTorch hands seed and offset of its
    generator to each replay.

    Args:
        step: on a GPU.
        example: a batch of the size of all others.

    Raises:
        RuntimeError: the step waits for the GPU, cannot be captured, or does not fit beside what is there.
    """

    def __init__(self, step: Step, example: Batch) -> None:
        self._static = _map(torch.clone, example)
        self._graph = torch.cuda.CUDAGraph()
        side, current = _side_stream(), torch.cuda.current_stream()
        torch.cuda.empty_cache()  # one stream cannot take what another has cached
        side.wait_stream(current)
        # The outer stream comes back even after a capture that fails, which leaves its own in place.
        with step.unchanged(), torch.cuda.stream(current):
            with torch.cuda.stream(side):  # what allocates or chooses once must have happened before the capture
                for _ in range(_WARM_UP_STEPS):
                    step.run(self._static)
                with _waiting_refused():
                    step.run(self._static)
            current.wait_stream(side)
            step.optimizer.zero_grad()  # gradients are to live in the graph's own memory
            # Other threads may go on pinning memory, as the one that collects batches does.
            with torch.cuda.graph(self._graph, stream=side, capture_error_mode="thread_local"):
                step.run(self._static)

    def run(self, batch: Batch) -> None:
        """`Step.run`, by replay."""
        for static, value in zip(_tensors(self._static), _tensors(batch), strict=True):
            static.copy_(value, non_blocking=True)
        self._graph.replay()


def fastest(step: Step, example: Batch) -> tuple[Callable[[Batch], None], str]:
    """The faster way to run ``step``, by itself or captured, and a few words why; takes the time of some 25 steps."""
    # Timed before the graph is made, whose memory need not fit beside that of a plain step.
    plain_ms = _timed_ms(step.run, step, example)
    try:
        graph = StepGraph(step, example)
        replay_ms = _timed_ms(graph.run, step, example)
    except RuntimeError as error:  # no graph is possible; the step itself is none the worse
        return step.run, f"eager ({str(error).splitlines()[0]})"
    figures = f"{replay_ms:.2f} ms a step, {plain_ms:.2f} without"
    if replay_ms < plain_ms:
        return graph.run, f"CUDA graph ({figures})"
    return step.run, f"eager (CUDA graph: {figures})"


def _timed_ms(run: Callable[[Batch], None], step: Step, example: Batch) -> float:
    with step.unchanged():
        run(example)
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(_TIMED_STEPS):
            run(example)
        torch.cuda.synchronize()
        return (time.perf_counter() - started) / _TIMED_STEPS * 1000


@contextmanager
def _waiting_refused() -> Iterator[None]:
    """Context in which what waits for the GPU raises: said here, for a capture that fails harms the process.

    PyTorch 2.11 then keeps the generator as if captured, and the graph's memory.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that not every way of waiting is found
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@cache
def _side_stream() -> torch.cuda.Stream:
    """One a process: libraries keep a workspace for each stream that they were used on."""
    return torch.cuda.Stream()


def _map(change: Callable[[Tensor], Tensor], batch: Batch) -> Batch:
    mixture = None if batch.mixture is None else type(batch.mixture)(*map(change, batch.mixture))
    return Batch(change(batch.features), change(batch.labels), mixture)


def _tensors(batch: Batch) -> list[Tensor]:
    return list(chain(batch[:2], batch.mixture or ()))
