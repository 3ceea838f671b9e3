"""The folder of recorded noise: which files it holds, and the identity that they give to a configuration."""

import hashlib
import os
from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.audio_files import audio_files_below
from data_prep.config import AugmentationConfig
from data_prep.corpora import expand_path


def list_noises(config: AugmentationConfig, base: Path) -> tuple[Path, ...]:
    """Audio files of ``config.noise.folder`` and below, sorted; none if no folder is set or noise is never drawn.

    Raises:
        SpoofsweepError: the folder is missing or holds no audio.
    """
    if config.noise.folder is None or config.num_views == 0 or config.noise.probability == 0.0:
        return ()
    folder = expand_path(config.noise.folder, base)
    noises = tuple(audio_files_below(folder))
    if not noises:
        raise SpoofsweepError("the noise folder must hold audio files", folder, "correct augmentation.noise.folder")
    return noises


def with_content_identity(config: AugmentationConfig, noises: tuple[Path, ...]) -> AugmentationConfig:
    """``config`` with the noise folder's place replaced by a hash of its files' names and sizes."""
    if not noises:
        return config.model_copy(update={"noise": config.noise.model_copy(update={"folder": None})})
    parent = Path(os.path.commonpath([path.parent for path in noises]))
    facts = "\n".join(f"{path.relative_to(parent)}\0{path.stat().st_size}" for path in noises)
    digest = hashlib.sha256(facts.encode()).hexdigest()[:16]
    return config.model_copy(update={"noise": config.noise.model_copy(update={"folder": f"sha256:{digest}"})})
