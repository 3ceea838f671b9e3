"""The one folder format of a trained model: the detector reads it, and with two more files training resumes from it.

``model.safetensors`` and ``model.json`` make a model; ``training.safetensors`` and ``training.json`` hold what training
needs besides.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import safetensors.torch
from pydantic import ConfigDict
from torch import Tensor, nn

from cluster.errors import NoRoomError, SpoofsweepError
from cluster.settings import Settings, SettingsT, parse_settings
from data_prep.atomic import atomic_write_bytes, atomic_write_text
from data_prep.config import FeaturesConfig
from trainable.checkpoints.atomic_folder import readable_folder, replace_folder
from trainable.checkpoints.lineage import Lineage, PrunedFrom
from trainable.config import TrialConfig
from trainable.hardware.precision import Precision
from trainable.metrics.calibration import Calibration
from trainable.models import build_model
from trainable.models.global_cmvn import GlobalCmvn
from trainable.models.losses import head_of
from trainable.scores.report import Report

FORMAT_VERSION = 4
"""Raise it whenever a folder of before would be read as something else."""


class ModelRecord(Settings):
    """``model.json``: what a model is, where it comes from and how good it is."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    format_version: Literal[4] = 4
    trial: TrialConfig
    seed: int
    features: FeaturesConfig
    num_bins: int
    """Feature bins of a frame."""
    shard_set_id: str
    held_out: tuple[str, ...] = ()
    """Attacks that training did without; the validation EER is about them alone. Empty: dev as the corpus has it."""
    signature: str
    """Identity of the trial as trained (`trainable.checkpoints.signature`): another version may give it another."""
    code_version: str
    device: str
    """Kind of device that trained it: ``cpu`` or ``cuda``."""
    precision: Precision
    """Arithmetic that training used."""
    num_threads: int
    """CPU threads that training used."""
    torch_version: str
    """PyTorch that training used."""
    samples_seen: int
    # These two follow from `history`; they are spelt out for whoever reads the file without this code.
    dev_eer: float | None = None
    """Validation EER at the last report, as a fraction; none before the first."""
    threshold: float | None = None
    """Score at the validation EER: above it is bona fide; none before the first report, and for a diverged model."""
    calibration: Calibration | None = None
    """Makes log-likelihood ratios of scores, fitted on dev; none but for finalists."""
    history: tuple[Report, ...] = ()
    lineage: Lineage = ()
    """Trainings that it grew out of; their reports are in `history` too."""
    pruned_from: PrunedFrom = ()
    """Larger networks that it was cut out of, and then trained; their reports are not in `history`."""


class TrainingRecord(Settings):
    """``training.json``: where training stands, besides what ``model.json`` says.

    Randomness needs no state: the model's seed and ``samples_seen`` key all of it.
    """

    steps_since_report: int
    elapsed_s: float
    """Seconds since the report before."""
    micro_size: int
    """Utterances that pass through the network at a time; fewer than a batch has where memory was short."""
    scaler: dict[str, int | float]
    """State of the fp16 loss scaler, whose counts must stay whole numbers; empty without one."""


def write_model(folder: Path, record: ModelRecord, model: nn.Module) -> None:
    """Write the model's two files as ``folder``, replacing it in one step."""
    with replace_folder(folder) as fresh:
        write_model_files(fresh, record, model)


def write_model_files(folder: Path, record: ModelRecord, model: nn.Module) -> None:
    """Write the model's two files into an existing folder."""
    _write_tensors(folder / "model.safetensors", model.state_dict())
    atomic_write_text(folder / "model.json", record.model_dump_json(indent=1))


def write_training_files(folder: Path, record: TrainingRecord, tensors: Mapping[str, Tensor]) -> None:
    """Write the two files that resuming needs besides the model's into an existing folder."""
    _write_tensors(folder / "training.safetensors", tensors)
    atomic_write_text(folder / "training.json", record.model_dump_json(indent=1))


def write_if_possible(write: Callable[[Path], None], folder: Path | None, what: str) -> str:
    """Let ``write`` fill a folder, if one is given; returns what was wrong, as a full disk should not cost a trial."""
    if folder is not None:
        try:
            write(folder)
        except (NoRoomError, OSError) as error:
            return f"it has no {what}: {error}"
    return ""


def read_model(folder: Path) -> tuple[ModelRecord, nn.Module]:
    """The record and the model, on the CPU and in eval mode.

    Raises:
        SpoofsweepError: the folder is no model folder, or one of another format.
    """
    record = read_record(folder)
    global_cmvn = GlobalCmvn.unfilled(record.num_bins) if record.features.cmvn == "global" else None
    model = build_model(record.trial.model, record.num_bins, global_cmvn, head_of(record.trial.loss))
    load_weights(folder, model)
    return record, model.eval()


def load_weights(folder: Path, model: nn.Module) -> None:
    """Copy the weights of a model folder into ``model``.

    Raises:
        SpoofsweepError: they are another network's.
    """
    path = readable_folder(folder) / "model.safetensors"
    try:
        model.load_state_dict(safetensors.torch.load_file(path))
    except RuntimeError as error:
        found = f"{path}: {str(error).splitlines()[-1].strip()}"
        remedy = "use the version of spoofsweep that wrote it"
        raise SpoofsweepError("weights must be those of the network in model.json", found, remedy) from error


def read_record(folder: Path, shard_set_id: str | None = None) -> ModelRecord:
    """``model.json`` of a model folder.

    Args:
        shard_set_id: of the shards that training is to resume on.

    Raises:
        SpoofsweepError: the folder is no model folder, or one of another format, or of other shards.
    """
    record = _read_json(readable_folder(folder) / "model.json", ModelRecord)
    if shard_set_id not in (None, record.shard_set_id):
        found = f"a checkpoint on shards {record.shard_set_id}, and shards {shard_set_id}"
        raise SpoofsweepError("a trial resumes on the shards it began with", found)
    return record


def read_training(folder: Path) -> tuple[TrainingRecord, dict[str, Tensor]]:
    """What `Training.save` wrote beside the model.

    Raises:
        SpoofsweepError: the folder holds no training state.
    """
    present = readable_folder(folder)
    record = _read_json(present / "training.json", TrainingRecord)
    return record, safetensors.torch.load_file(present / "training.safetensors")


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    # safetensors refuses memory layouts other than plain order, such as channels-last weights.
    atomic_write_bytes(path, safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()}))


def _read_json(path: Path, model: type[SettingsT]) -> SettingsT:
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise SpoofsweepError(f"a checkpoint folder holds {path.name}", f"none in {path.parent}") from error
    except ValueError as error:
        raise SpoofsweepError(f"{path.name} must be JSON", f"{path}: {error}") from error
    if not isinstance(values, dict):
        raise SpoofsweepError(f"{path.name} must hold a JSON object", f"{path}: {type(values).__name__}")
    found = values.get("format_version", FORMAT_VERSION)
    if found != FORMAT_VERSION:
        remedy = "use the version of spoofsweep that wrote it"
        raise SpoofsweepError(
            f"this version reads model folders of format {FORMAT_VERSION}", f"{path}: format {found}", remedy
        )
    return parse_settings(model, values, str(path))
