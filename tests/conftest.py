"""What several rooms' tests share: one Ray and one S3 server a session, and where the development data lies."""

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from object_store import ObjectStore, object_store

from cluster.config import ClusterConfig

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that of two workers none waits at the end for a long file of the other."""
    with_slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in with_slow)


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


@pytest.fixture(scope="session")
def store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An S3 server, started once: it takes seconds."""
    with object_store(tmp_path_factory.mktemp("object-store")) as server:
        yield server


_bucket_numbers = itertools.count()


@pytest.fixture
def bucket(store_server: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Name of a new S3 bucket; environment and shard cache are set for this test."""
    from data_prep.remote_files import to_path

    for name, value in store_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SPOOFSWEEP_CACHE", str(tmp_path / "cache"))
    name = f"bucket-{next(_bucket_numbers)}"
    to_path(f"s3://{name}").mkdir()
    return name


@pytest.fixture
def tiny_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of 64 kB, or of the size that a test gives as parameter."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={getattr(request, 'param', '64k')}", "tmpfs", folder]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting a small file system is not allowed here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
