"""The largest batch tried before training: a GPU too small is told at once, not hours later."""

from collections.abc import Callable

import torch

from cluster.errors import MemoryShortageError
from trainable.training.step import Batch, Step

_SMALLEST = 2
"""Utterances that pass at a time; normalisations need more than one."""


def fit(step: Step, batch: Batch, may_split: bool) -> None:
    """Take one step that leaves no trace; while it does not fit, halve ``step.micro_size`` if that is allowed.

    Raises:
        MemoryShortageError: the step does not fit the GPU's memory.
    """
    while True:
        try:
            with step.unchanged():
                step.run(batch)
            return
        except RuntimeError as error:
            if not _is_memory(error):
                raise
            if not may_split or step.micro_size <= _SMALLEST:
                remedy = "lower batch.size, batch.crop_s or the model's sizes"
                if not may_split:
                    remedy += ", or allow parts of a batch with batch.split_when_full = true"
                what = f"{step.micro_size} utterances of {batch.features.shape[1]} frames"
                raise _too_large(what, error, remedy) from error
        step.micro_size = -(-step.micro_size // 2)
        torch.cuda.empty_cache()


def fit_windows(score: Callable[[], object]) -> None:
    """Score the largest batch of windows.

    Raises:
        MemoryShortageError: it does not fit the GPU's memory.
    """
    try:
        score()
    except RuntimeError as error:
        if not _is_memory(error):
            raise
        raise _too_large("scoring windows", error, "lower validation.batch_size or validation.window_s") from error


def _is_memory(error: RuntimeError) -> bool:
    """Whether memory was short; a convolution for which there was no room to choose an algorithm says it so."""
    return isinstance(error, torch.OutOfMemoryError) or "unable to find an engine" in str(error)


def _too_large(what: str, error: RuntimeError, remedy: str) -> MemoryShortageError:
    return MemoryShortageError(
        "a trial must fit its GPU's memory", f"{what}: {str(error).splitlines()[0]}", f"{remedy}; nothing was trained"
    )
