"""Makes a file for phones of a trained model, in the converter's own environment, with its card beside it."""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write_bytes, atomic_write_text
from deploy.detector_card import DetectorCard
from deploy.detector_folder import CARD
from deploy.export.dev_scores import kept_scores
from deploy.export.export import ExportedFile, default_folder, described
from deploy.export.export_check import Fidelity
from deploy.export.form_cards import stream_card, stream_obstacle
from deploy.export.model_origin import ModelOrigin, find_origin
from deploy.mobile.convert import FIDELITY
from deploy.mobile.formats import MobileFormat
from deploy.packaging import stage_code
from trainable.checkpoints.atomic_folder import readable_folder
from trainable.checkpoints.checkpoint import read_model
from trainable.models.streamable import Streamable

TOLERANCE = 1e-4
"""Of scores; what is measured is 1e-6 and less."""


@dataclass(frozen=True)
class MobileDetector:
    """A converted file, its card beside it."""

    file: ExportedFile
    card: DetectorCard


def mobile_origin(
    reference: str, tracking_uri: str, chunk_ms: float, study: str | None
) -> tuple[ModelOrigin, DetectorCard]:
    """The model that ``reference`` names (see `deploy.models.resolve`), and the card of its file for phones.

    A folder that `deploy.export.export` left keeps its thresholds.

    Args:
        chunk_ms: what a call takes, rounded to whole steps.

    Raises:
        SpoofsweepError: there is no such model, or it cannot follow a stream, or has no threshold.
    """
    origin = find_origin(reference, tracking_uri, study)
    record, model = read_model(origin.folder)
    obstacle = stream_obstacle(record, model)
    if obstacle is not None:
        raise SpoofsweepError("a detector for phones follows a stream", reference, obstacle)
    assert isinstance(model, Streamable)
    if (origin.folder / CARD).is_file():
        card = DetectorCard.from_json((origin.folder / CARD).read_text())
    else:
        card = described(origin, record, model, kept_scores(origin, tracking_uri))
    card = stream_card(replace(card, precision="float32"), record.features, model)
    num_steps = max(1, round(chunk_ms * card.sample_rate / 1000 / card.step_samples))
    states = dict(sorted(card.states.items()))  # as in the card's JSON: the order of inputs where they have no names
    return origin, replace(card, chunk_samples=num_steps * card.step_samples, states=states)


def convert_model(
    form: MobileFormat, python: Path, origin: ModelOrigin, card: DetectorCard, output: Path | None = None
) -> MobileDetector:
    """Convert a model, and write the file and its card into ``output`` once it is seen to score as the model does.

    Args:
        python: the interpreter of an environment that has the converter, by its absolute path.
        output: folder, made where it is missing; by default one of the model's own name.

    Raises:
        SpoofsweepError: the converter does not take the model, or its file does not score as the model does.
    """
    folder = output or default_folder(origin) / form.name
    with tempfile.TemporaryDirectory() as staging:
        _run_converter(form, python, origin.folder, card, Path(staging))
        fidelity = Fidelity(**json.loads((Path(staging) / FIDELITY).read_text()))
        content = (Path(staging) / form.file).read_bytes()
    if not fidelity.max_difference <= TOLERANCE:
        raise SpoofsweepError(
            f"a converted detector must score as the trained model does, within {TOLERANCE:g}",
            f"{form.file}: off by {fidelity.max_difference:.2g}",
            "report it with the model's model.json, and use `spoofsweep export` meanwhile",
        )
    path = folder / form.file
    atomic_write_bytes(path, content)
    atomic_write_text(card_path(path), json.dumps(json.loads(card.to_json()), indent=2) + "\n")
    return MobileDetector(ExportedFile(path, len(content), fidelity), card)


def card_path(path: Path) -> Path:
    """Of a converted file: beside it, under its name."""
    return path.with_name(path.name + ".json")


def _run_converter(form: MobileFormat, python: Path, model_folder: Path, card: DetectorCard, staging: Path) -> None:
    """The rooms' code goes along alone, for beside it may lie packages of this environment."""
    code = staging / "code"
    stage_code(code)
    (staging / CARD).write_text(card.to_json())
    model = readable_folder(model_folder).absolute()
    command = [python, "-m", "deploy.mobile.convert", form.name, model, staging / CARD, staging]
    # ExecuTorch calls programs of its environment.
    path = os.pathsep.join((str(python.parent), os.environ.get("PATH", "")))
    environment = os.environ | {"PYTHONPATH": str(code), "PATH": path}
    done = subprocess.run([str(part) for part in command], env=environment, cwd=code, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise SpoofsweepError(
            f"{form.title} must be able to convert the model",
            lines[-1] if lines else f"exit status {done.returncode} of {python}",
            "convert another model, or report it with the model's model.json",
        )
