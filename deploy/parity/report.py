"""A parity report as it is kept: JSON, which the page and the terminal show."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from data_prep.atomic import atomic_write_text
from deploy.parity.gates import Check
from deploy.parity.row import Row

REPORT, PAGE = "parity.json", "parity.html"


@dataclass(frozen=True)
class ParityReport:
    """What became of a model on its way to a detector; rates are fractions."""

    name: str
    version: str
    """Of the registered model; empty for a folder."""
    run_id: str
    signature: str
    architecture: str
    num_parameters: int
    split: str
    corpus: str
    """Layout and identity."""
    held_out: tuple[str, ...]
    """Attacks that training did without; dev is about them alone."""
    num_bonafide: int
    num_spoof: int
    hours: float
    rejected: Mapping[str, str]
    """Reasons by file that could not be scored."""
    trained_eer: float | None
    """On dev, as the training found it."""
    calibration: Mapping[str, str]
    """Where the log-likelihood ratios come from, by model."""
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]
    """Rows that are missing, and what they would need."""
    gates: Mapping[str, float | None]
    breaches: tuple[Check, ...]
    machine: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether every row keeps its gates."""
        return not self.breaches

    def to_json(self) -> str:
        """All of it, and whether it passed."""
        return json.dumps({"passed": self.passed, **asdict(self)}, indent=2) + "\n"

    def write(self, folder: Path) -> tuple[Path, Path]:
        """JSON and page."""
        from deploy.parity.page import parity_page

        atomic_write_text(folder / REPORT, self.to_json())
        atomic_write_text(folder / PAGE, parity_page(self))
        return folder / REPORT, folder / PAGE
