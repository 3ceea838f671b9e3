"""The shard format: deterministic bytes, memory-mapped reading, and refusal of what is incomplete or foreign."""

import json
from pathlib import Path

import pytest
import torch
from small_shards import FRAMES, ROWS, write

from cluster.errors import SpoofsweepError
from data_prep import shards
from data_prep.config import FeaturesConfig
from data_prep.shards import ShardSet


def test_round_trip(tmp_path: Path) -> None:
    shard_set = write(tmp_path)
    assert torch.equal(shard_set.frames(0), FRAMES)
    assert shard_set.frames(1).shape == (0, 4)
    assert shard_set.index.to_dict("records") == ROWS
    assert shard_set.rejected[0]["reason"] == "silent"
    summary = shard_set.manifest.splits["train"]
    assert (summary.bonafide, summary.spoof, summary.num_views) == (1, 1, 3)
    assert summary.hours == pytest.approx(3 / 3600, abs=1e-6)


def test_same_content_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_frames_are_mapped_and_not_copied(tmp_path: Path) -> None:
    frames = write(tmp_path).frames(0)
    address = frames.data_ptr()
    mappings = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    spans = {tuple(int(end, 16) for end in fields[0].split("-")): fields[-1] for fields in mappings}
    owners = [name for (start, stop), name in spans.items() if start <= address < stop]
    assert owners == [str(tmp_path / "shard-00000.safetensors")]


def test_unfinished_set(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / shards.MANIFEST).unlink()
    assert not shards.is_complete(tmp_path)
    with pytest.raises(SpoofsweepError, match=r"finished shard set must be there.*run `spoofsweep prep STUDY`"):
        ShardSet.open(tmp_path)


def test_shards_of_another_study(tmp_path: Path) -> None:
    write(tmp_path)
    ShardSet.open(tmp_path, "0123456789abcdef")
    with pytest.raises(SpoofsweepError, match="the study needs fedcba9876543210"):
        ShardSet.open(tmp_path, "fedcba9876543210")


def test_other_features_are_named(tmp_path: Path) -> None:
    write(tmp_path, FeaturesConfig(sample_rate=8000))
    expected = r"built with sample_rate 8000 \(the study asks 16000\).*run `spoofsweep prep STUDY`"
    with pytest.raises(SpoofsweepError, match=expected):
        ShardSet.open(tmp_path, "fedcba9876543210", FeaturesConfig())


def test_cut_and_missing_shard_files(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "shard-00000.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SpoofsweepError, match=r"must have \d+ bytes; got \d+ bytes"):
        ShardSet.open(tmp_path)
    path.unlink()
    with pytest.raises(SpoofsweepError, match="no such file"):
        ShardSet.open(tmp_path)


def test_format_of_another_version(tmp_path: Path) -> None:
    write(tmp_path)
    values = json.loads((tmp_path / shards.MANIFEST).read_text()) | {"format_version": 99}
    (tmp_path / shards.MANIFEST).write_text(json.dumps(values))
    with pytest.raises(SpoofsweepError, match="must be of format 3; got 99"):
        ShardSet.open(tmp_path)


def test_manifest_that_is_not_json(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / shards.MANIFEST).write_text("{")
    with pytest.raises(SpoofsweepError, match=rf"must be JSON.*remove {tmp_path} and run"):
        ShardSet.open(tmp_path)
