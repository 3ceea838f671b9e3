"""A node's copy of a remote shard set: fetched once, checked, mended, and refused where it does not fit."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from object_store import ObjectStore, upload
from small_shards import FRAMES, ROWS, write

from cluster.errors import SpoofsweepError
from data_prep.remote_files import put, to_path
from data_prep.shards import ShardSet, is_complete

SHARD = "shard-00000.safetensors"


@pytest.fixture
def remote(bucket: str, tmp_path: Path) -> Path:
    """A shard set in the store alone."""
    write(tmp_path / "made")
    upload(tmp_path / "made", f"s3://{bucket}/sets/x")
    return to_path(f"s3://{bucket}/sets/x")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where the node's copy will be."""
    return tmp_path / "cache" / "shards" / "0123456789abcdef"


def test_index_needs_no_copy_and_frames_are_mapped_from_it(remote: Path, copy: Path) -> None:
    assert is_complete(remote)
    shard_set = ShardSet.open(remote, "0123456789abcdef")
    assert shard_set.index.to_dict("records") == ROWS
    assert shard_set.rejected[0]["utterance_id"] == "é"
    assert not copy.exists()
    frames = shard_set.frames(0)
    assert torch.equal(frames, FRAMES)
    mappings = Path("/proc/self/maps").read_text()
    assert str(copy / SHARD) in mappings
    assert sorted(path.name for path in copy.glob("*.safetensors")) == [SHARD, "shard-00001.safetensors"]


@pytest.mark.slow
def test_of_several_processes_one_fetches(remote: Path, bucket: str, store_server: ObjectStore) -> None:
    """Slow: processes of their own, which import torch."""
    code = (
        "import sys; from data_prep.remote_files import to_path; from data_prep.shards import ShardSet; "
        "print(float(ShardSet.open(to_path(sys.argv[1])).frames(0).float().sum()))"
    )
    command = [sys.executable, "-c", code, str(remote)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    sums = {float(process.communicate()[0]) for process in processes}
    assert sums == {float(FRAMES.float().sum())}
    assert store_server.requests(bucket)["GET", f"sets/x/{SHARD}"] == 1


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"x" + data[1:]])
def test_damaged_copy_is_fetched_again(remote, copy, damage, bucket, store_server) -> None:
    ShardSet.open(remote).frames(0)
    good = (copy / SHARD).read_bytes()
    (copy / SHARD).write_bytes(damage(good))
    assert torch.equal(ShardSet.open(remote).frames(0), FRAMES)
    assert (copy / SHARD).read_bytes() == good
    asked = store_server.requests(bucket)
    assert (asked["GET", f"sets/x/{SHARD}"], asked["GET", "sets/x/shard-00001.safetensors"]) == (2, 1)


def test_interrupted_copy_goes_on(remote: Path, copy: Path, bucket: str, store_server: ObjectStore) -> None:
    ShardSet.open(remote).frames(0)
    (copy / "verified.json").unlink()
    (copy / "shard-00001.safetensors").rename(copy / "shard-00001.safetensors.0f.part")
    ShardSet.open(remote).frames(0)
    assert not list(copy.glob("*.part"))
    asked = store_server.requests(bucket)
    assert (asked["GET", f"sets/x/{SHARD}"], asked["GET", "sets/x/shard-00001.safetensors"]) == (1, 2)


def test_damage_in_the_store_is_refused(remote: Path, copy: Path) -> None:
    shard_set = ShardSet.open(remote)
    put(remote / SHARD, bytes(shard_set.manifest.shards[0].num_bytes))
    expected = hashlib.sha256(bytes(shard_set.manifest.shards[0].num_bytes)).hexdigest()[:16]
    with pytest.raises(SpoofsweepError, match=f"must have the SHA-256.*got {expected}"):
        shard_set.frames(0)
    assert not (copy / SHARD).exists()


def test_incomplete_remote_set(remote: Path) -> None:
    put(remote / SHARD, b"cut")
    with pytest.raises(SpoofsweepError, match=r"must have \d+ bytes; got 3 bytes"):
        ShardSet.open(remote)
    with pytest.raises(SpoofsweepError, match="finished shard set must be there"):
        ShardSet.open(remote.parent / "other")


@pytest.mark.parametrize("tiny_disk", ["4k", "8k"], indirect=True)  # full at the first look, or once it is written to
def test_copy_that_does_not_fit(remote: Path, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOOFSWEEP_CACHE", str(tiny_disk))
    with pytest.raises(SpoofsweepError, match=r"must have room: .* GB.*SPOOFSWEEP_CACHE"):
        ShardSet.open(remote).frames(0)
