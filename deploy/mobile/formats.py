"""The mobile formats by name, and what each one's converter has to be installed with."""

from dataclasses import dataclass
from pathlib import Path

from cluster.errors import SpoofsweepError
from cluster.settings import nearest

_COMMON = ("torch", "torchaudio", "numpy", "pydantic", "safetensors")
"""What reading and running a model takes."""


@dataclass(frozen=True)
class MobileFormat:
    """A format that models are converted to, in an environment of its own."""

    name: str
    title: str
    file: str
    """What a detector's file is called."""
    converter: str
    """The package that converts."""

    @property
    def packages(self) -> tuple[str, ...]:
        """To be installed, at the versions in ``constraints``."""
        return (*_COMMON, self.converter)

    @property
    def constraints(self) -> Path:
        """Versions of all packages that the conversion was tested with."""
        return Path(__file__).with_name(f"{self.name}-constraints.txt")


FORMATS = {
    "litert": MobileFormat("litert", "LiteRT", "stream.tflite", "litert-torch"),
    "executorch": MobileFormat("executorch", "ExecuTorch", "stream.pte", "executorch"),
}


def find_format(name: str) -> MobileFormat:
    """
    Raises:
        SpoofsweepError: there is none of that name.
    """
    if name not in FORMATS:
        raise SpoofsweepError("a mobile format is litert or executorch", name, nearest(name, tuple(FORMATS), "formats"))
    return FORMATS[name]
