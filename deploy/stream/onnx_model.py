"""An exported detector's file, opened: the session and the card in its metadata."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from cluster.errors import SpoofsweepError
from deploy.detector_card import METADATA_KEY, NEXT, SCORES, DetectorCard

T = TypeVar("T")
Inputs = dict[str, npt.NDArray[Any]]
"""Of one run, by name; the first axis is the batch."""
Outputs = list[npt.NDArray[Any]]
"""Of one run: scores, then the next states in the card's order."""
Work = Generator[Inputs, Outputs, T]
"""A computation that yields the inputs of the runs that it needs, and is sent their outputs."""

_UNREADABLE = (
    faults.Fail,
    faults.InvalidArgument,
    faults.InvalidGraph,
    faults.InvalidProtobuf,
    faults.NotImplemented,
    faults.RuntimeException,
)


@dataclass(frozen=True)
class OnnxModel:
    """An exported detector, ready to run; its session may be used by several threads at a time."""

    session: onnxruntime.InferenceSession
    card: DetectorCard
    takes_batches: bool
    """Whether it pays to run several streams at once: a stream form with an open first axis."""

    @classmethod
    def open(cls, path: Path, num_threads: int = 1) -> "OnnxModel":
        """Read an exported file.

        Raises:
            SpoofsweepError: there is none, it is no ONNX file, or not one that spoofsweep exported.
        """
        if not path.is_file():
            raise SpoofsweepError("an exported detector is an ONNX file", f"{path}, where there is none")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except _UNREADABLE as error:
            found = f"{path}: {str(error).splitlines()[0]}"
            raise SpoofsweepError("an exported detector must be readable by ONNX Runtime", found) from error
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise SpoofsweepError(
                "a detector's file holds its card", f"{path} without one", "make it by `spoofsweep export`"
            )
        card = DetectorCard.from_json(text)
        has_open_batch = all(not isinstance(entry.shape[0], int) for entry in session.get_inputs())
        return cls(session, card, has_open_batch and card.form == "stream")

    def run(self, inputs: Inputs) -> Outputs:
        """What the graph makes of the inputs."""
        return self.session.run(self._outputs, inputs)

    @cached_property
    def _outputs(self) -> list[str]:
        return [SCORES, *(NEXT + name for name in self.card.states)]

    def work(self, work: Work[T]) -> T:
        """Do a piece of work by itself, a run at a time."""
        try:
            inputs = next(work)
            while True:
                inputs = work.send(self.run(inputs))
        except StopIteration as done:
            return done.value
