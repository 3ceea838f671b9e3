import json
from pathlib import Path

import pytest
import torch

from cluster.errors import SpoofsweepError
from data_prep.config import FeaturesConfig
from trainable.checkpoints.checkpoint import (
    TrainingRecord,
    read_model,
    read_record,
    read_training,
    write_training_files,
)
from trainable.checkpoints.signature import code_version, trial_signature
from trainable.training.training import Training


@pytest.fixture(scope="module")
def training(toy_shards, toy_trial):
    torch.set_num_threads(1)
    done = Training(toy_trial(budget_passes=1.0), toy_shards, seed=4)
    next(done)
    return done


def test_a_model_folder_tells_the_whole_story(training, toy_trial, tmp_path):
    training.write_model(tmp_path / "model")
    record = read_record(tmp_path / "model")
    assert record.trial == toy_trial(budget_passes=1.0)
    assert record.features == FeaturesConfig(kind="logmel", num_filters=12)
    assert (record.seed, record.shard_set_id, record.num_bins, record.samples_seen) == (4, "toy", 12, 40)
    assert record.signature == trial_signature(record.trial, 4, "toy")
    assert record.code_version == code_version()
    assert record.history == tuple(training.history)
    assert record.dev_eer == training.history[-1].metrics["dev_eer"]
    assert record.threshold == training.history[-1].metrics["dev_threshold"]
    assert (record.device, record.precision, record.num_threads) == ("cpu", training.precision, 1)


def test_a_model_read_back_scores_the_same(training, tmp_path):
    training.write_model(tmp_path / "model")
    _, model = read_model(tmp_path / "model")
    assert not model.training
    features = torch.randn(3, 60, 12)
    assert torch.equal(model(features), training.model.eval()(features))


def test_files_are_json_and_safetensors_only(training, tmp_path):
    training.save(tmp_path / "checkpoint")
    names = {path.name for path in (tmp_path / "checkpoint").iterdir()}
    assert names == {"model.safetensors", "model.json", "training.safetensors", "training.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    json.loads((tmp_path / "checkpoint" / "training.json").read_text())


@pytest.mark.parametrize(
    "content", [None, "not json", '{"format_version": 99}', '{"format_version": 4, "trail": {}}', "[1]"]
)
def test_other_folders_are_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "model.json").write_text(content)
    with pytest.raises(SpoofsweepError, match=r"model\.json"):
        read_record(tmp_path)


def test_weights_of_another_network_are_refused(training, tmp_path):
    training.write_model(tmp_path / "model")
    record = json.loads((tmp_path / "model" / "model.json").read_text())
    record["trial"]["model"]["gru_layers"] = 2
    (tmp_path / "model" / "model.json").write_text(json.dumps(record))
    with pytest.raises(SpoofsweepError, match=r"weights must be those of the network.*model\.safetensors"):
        read_model(tmp_path / "model")


def test_signatures_follow_configuration_seed_and_shards(toy_trial):
    signatures = {
        trial_signature(config, seed, shards)
        for config in (toy_trial(), toy_trial(budget_passes=4.0))
        for seed in (1, 2)
        for shards in ("a", "b")
    }
    assert len(signatures) == 8
    assert trial_signature(toy_trial(), 1, "a") == trial_signature(toy_trial(), 1, "a")


def test_the_state_of_a_loss_scaler_survives(tmp_path):
    """A growth interval that came back as a float is refused by the next update."""
    scaler = torch.amp.GradScaler("cpu", enabled=True)
    state = TrainingRecord(steps_since_report=1, elapsed_s=0.5, micro_size=4, scaler=scaler.state_dict())
    write_training_files(tmp_path, state, {"loss_sum": torch.zeros(())})
    read, _ = read_training(tmp_path)
    assert {name: (type(value), value) for name, value in read.scaler.items()} == {
        name: (type(value), value) for name, value in scaler.state_dict().items()
    }


@pytest.mark.parametrize(
    "source",
    [
        "trainable/models/cnn_gru.py",
        "data_prep/features/spectrum.py",
        "data_prep/error_rates.py",
        "data_prep/shards.py",
        "data_prep/draws.py",
    ],
)
def test_the_code_version_follows_every_source_of_a_trials_numbers(monkeypatch, source):
    read = Path.read_bytes

    def read_edited(path):
        return read(path) + b"# edited" if path.as_posix().endswith(source) else read(path)

    assert code_version.__wrapped__() == code_version()
    monkeypatch.setattr(Path, "read_bytes", read_edited)
    assert code_version.__wrapped__() != code_version()
