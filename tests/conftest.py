"""What several rooms' tests share: one Ray for the whole session, and where the development data lies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.config import ClusterConfig

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Ray with two CPUs, started once: each start costs about ten seconds."""
    from cluster.ray_session import ray_session as session

    with session(ClusterConfig(num_cpus=2)):
        yield


@pytest.fixture(scope="session")
def sample_root() -> Path:
    """The sample corpus that the project carries (ASVspoof 2019 LA layout)."""
    return REPOSITORY / "data_prep" / "sample" / "LA"


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The development data beside the checkout; tests that want it skip where it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the development data in ../shared")
    return folder
