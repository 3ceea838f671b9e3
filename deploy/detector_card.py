"""What an exported detector says of itself: JSON in the metadata of its ONNX file, read without torch or onnx."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from cluster.errors import SpoofsweepError

METADATA_KEY = "spoofsweep"
"""Of the ONNX file's metadata."""
FORMAT_VERSION = 2
"""Raise it whenever a file of before would be read as something else."""
WHOLE_FILE = 2**31 - 1
"""Frames of context where a window is normalised over the whole file."""
SAMPLES, SCORES, TAIL, CONTEXT = "samples", "scores", "tail", "context_frames"
"""Inputs and outputs of a detector's forms; `TAIL` is the state that holds the samples before, `CONTEXT` is told in
`deploy.export.onnx_forms.utterance_graph`."""
NEXT = "next_"
"""Before the name of a state as it comes out."""


@dataclass(frozen=True)
class DetectorCard:
    """How to feed an exported detector, how to read its scores, and where it comes from."""

    form: Literal["utterance", "stream"]
    """``utterance``: all samples of a window at once; ``stream``: step by step, with states."""
    sample_rate: int
    """Hz of the samples."""
    window_samples: int
    """Of one analysis window of the front end."""
    hop_samples: int
    """Between successive analysis windows."""
    window_frames: int
    """Frames that validation scored at a time; an utterance form repeats shorter input up to it."""
    coverage: Literal["first", "full"]
    """Whether validation scored the first window of a file, or all."""
    threshold: float
    """Scores above it are bona fide: one of the operating points, the validation set's EER point unless asked."""
    context_frames: int = 0
    """Frames on either side of a window that deltas, pre-emphasis and normalisation look at (utterance form)."""
    step_samples: int = 0
    """The input of a stream form is a multiple of it; each gives one score."""
    chunk_samples: int = 0
    """All that a file of fixed sizes takes at a time, as those for phones are; else any multiple of a step."""
    lead_samples: int = 0
    """First samples of a stream, which go to the end of its state ``tail`` before the first step."""
    states: dict[str, list[int]] = field(default_factory=dict)
    """Inputs and outputs ``next_NAME`` of a stream form: shapes without the batch."""
    operating_points: dict[str, float] = field(default_factory=dict)
    """Thresholds by what they were chosen for."""
    calibration: tuple[float, float] | None = None
    """``scale * score + offset`` is the natural log-likelihood ratio of bona fide to spoofed speech."""
    precision: str = "float32"
    """Arithmetic of the weights: ``float32``, ``int8``..."""
    name: str = ""
    """Of the registered model, or the study."""
    version: str = ""
    """Of the registered model."""
    signature: str = ""
    """Identity of the training, see `trainable.checkpoints.signature`."""
    shard_set_id: str = ""
    """Identity of the data that it was trained on."""
    code_version: str = ""
    """Of spoofsweep, when it was exported."""
    architecture: str = ""
    num_parameters: int = 0
    features: dict[str, Any] = field(default_factory=dict)
    """Settings of the front end."""
    metrics: dict[str, float] = field(default_factory=dict)
    """What is known of its quality, fractions."""

    def to_json(self) -> str:
        """The metadata's value."""
        return json.dumps({"format_version": FORMAT_VERSION} | asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "DetectorCard":
        """Read the metadata's value.

        Raises:
            SpoofsweepError: another version of spoofsweep wrote it.
        """
        values = json.loads(text)
        found = values.pop("format_version", None)
        known = {entry.name for entry in fields(cls)}
        if found != FORMAT_VERSION or not values.keys() <= known:
            raise SpoofsweepError(
                f"this version reads detectors of format {FORMAT_VERSION}",
                f"format {found}",
                "export it again with this version of spoofsweep",
            )
        if values.get("calibration") is not None:
            values["calibration"] = tuple(values["calibration"])
        return cls(**values)
