"""Fixtures of this room's tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from miniature import make_la, prep_config, speech

from data_prep.config import PrepConfig


@pytest.fixture
def audio_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes an audio file: ``audio_file(name, wave, sample_rate, subtype, format)``."""

    def write(
        name: str,
        wave: np.ndarray | None = None,
        sample_rate: int = 16000,
        subtype: str = "PCM_16",
        format: str | None = None,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, speech() if wave is None else wave, sample_rate, subtype=subtype, format=format)
        return path

    return write


@pytest.fixture
def la_root(tmp_path: Path) -> Path:
    """A miniature LA corpus of 18 utterances."""
    return make_la(tmp_path / "LA")


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 36 utterances of 1.5 s."""
    return make_la(tmp_path_factory.mktemp("corpus") / "LA", per_class=6, seconds=1.5)


@pytest.fixture(scope="session")
def config(root: Path) -> PrepConfig:
    """Its preparation, with a shard for each utterance."""
    return prep_config(root, utterances_per_shard=1)
