"""Names of the files in an exported detector's folder, and which of its forms is meant."""

from pathlib import Path
from typing import Literal

ARTIFACT = "detector"
"""The folder of the files among a registered model's own ``artifacts``, be they exported or a model folder's."""
UTTERANCE = "utterance.onnx"
STREAM = "stream.onnx"
"""Only of a model that can follow a stream."""
CARD = "card.json"
"""For people; the ONNX files hold their own."""
MODEL_FILES = ("model.json", "model.safetensors")
"""What retraining begins from."""


def find_exported(reference: str, preferred: Literal["stream", "utterance"]) -> Path | None:
    """The exported file that ``reference`` names, or holds as a folder; none where it names something else.

    Args:
        preferred: the form to take where a folder has both: windows are what validation scored, steps come at once.
    """
    path = Path(reference).expanduser()
    if path.suffix == ".onnx":
        return path
    names = (STREAM, UTTERANCE) if preferred == "stream" else (UTTERANCE, STREAM)
    return next((file for name in names if (file := path / name).is_file()), None)
