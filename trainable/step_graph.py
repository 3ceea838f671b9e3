"""A step captured as one CUDA graph, so that a GPU is not kept waiting for a small network's launches.

Source of the method: PyTorch's notes on CUDA semantics, "CUDA Graphs", whole-network capture.
"""

import time
from collections.abc import Callable
from itertools import chain

import torch
from torch import Tensor

from trainable.step import Batch, Step

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
        RuntimeError: the step cannot be captured.
    """

    def __init__(self, step: Step, example: Batch) -> None:
        self._static = _map(torch.clone, example)
        self._graph = torch.cuda.CUDAGraph()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with step.unchanged():
            with torch.cuda.stream(side):  # what allocates or chooses once must have happened before the capture
                for _ in range(_WARM_UP_STEPS):
                    step.run(self._static)
            torch.cuda.current_stream().wait_stream(side)
            step.optimizer.zero_grad()  # gradients are to live in the graph's own memory
            # Other threads may go on pinning memory, as the one that collects batches does.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                step.run(self._static)

    def run(self, batch: Batch) -> None:
        """`Step.run`, by replay."""
        for static, value in zip(_tensors(self._static), _tensors(batch), strict=True):
            static.copy_(value, non_blocking=True)
        self._graph.replay()


def fastest(step: Step, example: Batch) -> tuple[Callable[[Batch], None], str]:
    """The faster way to run ``step``, by itself or captured, and a few words why; takes the time of some 25 steps."""
    try:
        graph = StepGraph(step, example)
    except RuntimeError as error:  # an operation that cannot be captured; the step itself is none the worse
        return step.run, f"a step at a time ({str(error).splitlines()[0]})"
    plain_ms, replay_ms = (_timed_ms(run, step, example) for run in (step.run, graph.run))
    figures = f"{replay_ms:.2f} ms a step, {plain_ms:.2f} without"
    if replay_ms < plain_ms:
        return graph.run, f"CUDA graph ({figures})"
    return step.run, f"a step at a time (CUDA graph: {figures})"


def _timed_ms(run: Callable[[Batch], None], step: Step, example: Batch) -> float:
    with step.unchanged():
        run(example)
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(_TIMED_STEPS):
            run(example)
        torch.cuda.synchronize()
        return (time.perf_counter() - started) / _TIMED_STEPS * 1000


def _map(change: Callable[[Tensor], Tensor], batch: Batch) -> Batch:
    mixture = None if batch.mixture is None else type(batch.mixture)(*map(change, batch.mixture))
    return Batch(change(batch.features), change(batch.labels), mixture)


def _tensors(batch: Batch) -> list[Tensor]:
    return list(chain(batch[:2], batch.mixture or ()))
