"""Trials on shards that are kept in an object store."""

from pathlib import Path

import numpy as np
import pytest
import torch
from object_store import upload

from data_prep.remote_files import to_path
from data_prep.shards import ShardSet
from trainable.data.feature_store import FeatureStore
from trainable.ray_adapter import TrialActor


@pytest.fixture
def remote(bucket: str, toy_shards: ShardSet) -> str:
    """URI of the toy shards in the store."""
    upload(toy_shards.folder, f"s3://{bucket}/sets/toy")
    return f"s3://{bucket}/sets/toy"


def test_batches_are_those_of_local_shards(remote: str, toy_shards: ShardSet) -> None:
    stores = [FeatureStore(s, "train", torch.device("cpu")) for s in (toy_shards, ShardSet.open(to_path(remote)))]
    views, starts = np.arange(0, 90, 7), np.arange(13)
    local, fetched = (store.gather(views, starts, 30) for store in stores)
    assert torch.equal(local, fetched)


def test_a_trial_reports_what_it_reports_on_local_shards(
    remote: str, toy_shards: ShardSet, toy_trial, tmp_path: Path
) -> None:
    def results(shards: str) -> list[float]:
        trial = toy_trial(budget_passes=2.0).model_dump(mode="json")
        facts = {"trial": trial, "seed": 1, "shards": shards, "shard_set_id": "toy", "trial_number": 7}
        place = {"device": "cpu", "gpu_share": 0.0, "num_threads": 1}
        begins = {"output": None, "checkpoint": None, "reported": 0, "lineage": [], "fork": None}
        actor = TrialActor(config=facts | place | begins | {"folds": [[]]})
        return [actor.step()["dev_eer"] for _ in range(2)]

    assert results(remote) == results(str(toy_shards.folder))
    assert list((tmp_path / "cache" / "shards" / "toy").glob("*.safetensors"))
