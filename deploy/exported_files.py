"""Which of the files that an export leaves is meant."""

from pathlib import Path
from typing import Literal

SUFFIX = ".onnx"


def find_exported(reference: str, preferred: Literal["stream", "utterance"]) -> Path | None:
    """The exported file that ``reference`` names, or holds as a folder; none where it names something else.

    Args:
        preferred: the form to take where a folder has both: windows are what validation scored, steps come at once.
    """
    path = Path(reference).expanduser()
    if path.suffix == SUFFIX:
        return path
    names = ("stream", "utterance") if preferred == "stream" else ("utterance", "stream")
    return next((file for name in names if (file := path / f"{name}{SUFFIX}").is_file()), None)
