"""Many streams' work in common runs of the graph: a batch costs half of what its streams cost one by one.

Legend: B streams of a batch.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np

from cluster.errors import SpoofsweepError
from deploy.detector_card import SAMPLES
from deploy.stream.onnx_model import Inputs, OnnxModel, Outputs, Work

T = TypeVar("T")
LARGEST_BATCH = 16
"""Larger ones cost hardly less a stream, and the first stream of a batch waits for the last."""


class _Piece(Generic[T]):
    """One piece of work, advanced from run to run."""

    def __init__(self, work: Work[T]) -> None:
        self._work = work
        self.inputs: Inputs | None = None
        self.outcome: T | SpoofsweepError
        self.advance(None)

    def advance(self, outputs: Outputs | None) -> None:
        """Go on to the next inputs, or to the outcome."""
        self.inputs = None
        try:
            self.inputs = next(self._work) if outputs is None else self._work.send(outputs)
        except StopIteration as done:
            self.outcome = done.value
        except SpoofsweepError as error:
            self.outcome = error


def work_together(model: OnnxModel, works: Iterable[Work[T]]) -> list[T | SpoofsweepError]:
    """The outcome of each piece of work; one that fails for what it was given does not stop the others.

    Scores differ from those of pieces done alone by no more than float32 rounding.
    """
    pieces = [_Piece(work) for work in works]
    while waiting := [piece for piece in pieces if piece.inputs is not None]:
        for group in _groups(model, waiting):
            _run(model, group)
    return [piece.outcome for piece in pieces]


def _groups(model: OnnxModel, waiting: Sequence[_Piece[T]]) -> Iterable[list[_Piece[T]]]:
    """Pieces that can share a run: of a stream form, and with as many samples."""
    if not model.takes_batches:
        return ([piece] for piece in waiting)
    by_length: dict[int, list[_Piece[T]]] = defaultdict(list)
    for piece in waiting:
        assert piece.inputs is not None
        by_length[piece.inputs[SAMPLES].shape[1]].append(piece)
    return (
        group[first : first + LARGEST_BATCH]
        for group in by_length.values()
        for first in range(0, len(group), LARGEST_BATCH)
    )


def _run(model: OnnxModel, group: list[_Piece[T]]) -> None:
    inputs_B = [piece.inputs for piece in group if piece.inputs is not None]
    if len(inputs_B) == 1:
        group[0].advance(model.run(inputs_B[0]))
        return
    outputs = model.run({name: np.concatenate([inputs[name] for inputs in inputs_B]) for name in inputs_B[0]})
    for place, piece in enumerate(group):
        piece.advance([output_B[place : place + 1] for output_B in outputs])
