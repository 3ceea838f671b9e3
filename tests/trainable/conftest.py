"""Small shards and trials."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_shards import write_toy_shards

from data_prep.shards import ShardSet
from trainable.config import TrialConfig

TrialMaker = Callable[..., TrialConfig]


@pytest.fixture(scope="session")
def published_scores(shared_folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Attacks, labels and scores of a published detector on ASVspoof 2019 LA eval."""
    with gzip.open(shared_folder / "vectors" / "aasist_2019la_eval_scores.txt.gz", "rt") as file:
        _, attacks, labels, scores = (np.array(column) for column in zip(*(line.split() for line in file), strict=True))
    return attacks, labels, scores.astype(float)


@pytest.fixture(scope="session")
def toy_shards(tmp_path_factory: pytest.TempPathFactory) -> ShardSet:
    """Read-only: shared by all tests."""
    return write_toy_shards(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def toy_trial() -> TrialMaker:
    """A small trial of three passes; keyword arguments replace whole sections or single fields of them."""

    def make(**changes: object) -> TrialConfig:
        sections: dict = {
            "model": {"channels": [4, 6], "gru_size": 8},
            "batch": {"size": 8, "crop_s": 0.5},
            "spec_augment": {"time_masks": 1, "frequency_masks": 1},
            "validation": {"window_s": 0.6, "num_resamples": 50},
            "optimizer": {"learning_rate": 0.01},
            "budget_passes": 3.0,
        }
        for name, change in changes.items():
            sections[name] = {**sections.get(name, {}), **change} if isinstance(change, dict) else change
        return TrialConfig.model_validate(sections)

    return make


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Equality bit for bit is promised for one number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
