"""Packs a detector as an MLflow model that loads with MLflow alone: code beside weights, nothing pickled."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from deploy.detector_folder import ARTIFACT, MODEL_FILES
from deploy.tracking_store import NO_PROGRESS_BARS
from trainable.checkpoints.atomic_folder import readable_folder
from trainable.checkpoints.checkpoint import read_record

ROOMS = ("cluster", "data_prep", "trainable", "deploy")
"""Packages whose code travels with the model."""
LEFT_OUT = ("cli.py", "packaging.py", "prepare.py", "ray_adapter.py", "ray_session.py", "verdicts.py")
"""Modules of those packages that a loaded model has no use for, and that need more than the requirements below."""
REQUIREMENTS = (
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "safetensors",
    "soundfile",
    "soxr",
    "torch",
    "torchaudio",
)
"""All that the travelling code imports to load a model folder and to score, pinned to the versions installed here."""


def log_model(folder: Path, run_id: str, tracking_uri: str, name: str = "model") -> Any:
    """Log a model folder to a run as an MLflow model.

    Args:
        folder: a model folder (see ``trainable.checkpoints.checkpoint``).
        run_id: the MLflow run that trained it.
        tracking_uri: the MLflow server or database.
        name: name of the logged model.

    Returns:
        MLflow's ``ModelInfo``.
    """
    import mlflow

    with global_store(tracking_uri), mlflow.start_run(run_id=run_id), _folder_parts(folder) as parts:
        return mlflow.pyfunc.log_model(name=name, **parts)


def pinned_requirements(names: Sequence[str] = REQUIREMENTS) -> list[str]:
    """Requirements as ``name==version``, the installed one, without local labels such as ``+cu130``."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]


def stage_code(destination: Path) -> list[Path]:
    """Copy the travelling rooms' Python files below ``destination``; returns the packages."""
    source = Path(__file__).resolve().parents[1]
    for room in ROOMS:
        for path in sorted((source / room).rglob("*.py")):
            relative = path.relative_to(source)
            if path.name not in LEFT_OUT:
                (destination / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, destination / relative)
    return [destination / room for room in ROOMS]


@contextmanager
def global_store(tracking_uri: str) -> Iterator[None]:
    """Point MLflow's global state at a store, and put it back; parts of MLflow heed it whatever a client says."""
    os.environ.setdefault(*NO_PROGRESS_BARS)
    import mlflow

    before: Any = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


@contextmanager
def model_parts(
    files: Iterable[Path], requirements: Sequence[str], sample_rate: int, identity: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """What MLflow's ``log_model`` and ``save_model`` ask for, with staged files that live as long as the context.

    Args:
        files: of the detector.
        requirements: names of packages.
        sample_rate: Hz.
        identity: of model and data.
    """
    with tempfile.TemporaryDirectory() as staging:
        detector = Path(staging) / ARTIFACT  # MLflow names the copy after the folder
        detector.mkdir()
        for file in files:
            shutil.copyfile(file, detector / file.name)
        yield {
            "python_model": str(Path(__file__).with_name("pyfunc_model.py")),
            "artifacts": {ARTIFACT: str(detector)},
            "code_paths": [str(path) for path in stage_code(Path(staging))],
            "pip_requirements": pinned_requirements(requirements),
            "signature": _wave_signature(),
            "input_example": _input_example(sample_rate),
            "metadata": identity,
        }


def _folder_parts(folder: Path) -> AbstractContextManager[dict[str, Any]]:
    """Of a model folder; the training state beside the weights stays behind."""
    record, source = read_record(folder), readable_folder(folder)
    identity = {"signature": record.signature, "shard_set_id": record.shard_set_id}
    return model_parts((source / name for name in MODEL_FILES), REQUIREMENTS, record.features.sample_rate, identity)


def _wave_signature() -> Any:
    """Of a model that takes waves ``[batch, num_samples]`` and gives a row of score and label each."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    waves = TensorSpec(np.dtype(np.float32), (-1, -1))
    return ModelSignature(Schema([waves]), Schema([ColSpec("double", "score"), ColSpec("string", "label")]))


def _input_example(sample_rate: int) -> np.ndarray:
    """A tenth of a second of faint noise, ``[1, num_samples]``: short, for MLflow stores it as JSON."""
    num_samples = sample_rate // 10
    return np.random.default_rng(0).normal(0.0, 0.01, (1, num_samples)).astype(np.float32)
