"""Trainings that grew out of others: the same from a checkpoint, from the beginning, and resumed."""

import pytest
from courses import equal_weights, numbers, weights

from cluster.errors import SpoofsweepError
from trainable.checkpoints.checkpoint import read_record
from trainable.checkpoints.lineage import Ancestor, Larger, may_change
from trainable.checkpoints.signature import trial_signature
from trainable.config import TrialConfig
from trainable.training.folds import begin
from trainable.training.training import Training

CHANGED = {
    "optimizer": {"learning_rate": 0.003, "weight_decay": 0.1, "schedule": "constant"},
    "loss": {"bonafide_weight": 0.8, "label_smoothing": 0.1},
    "batch": {"size": 6, "mixup_alpha": 0.2, "balanced": True},
    "model": {"dropout": 0.5, "cnn_dropout": 0.0, "gru_input_dropout": 0.2},
    "spec_augment": {"time_masks": 3},
}


@pytest.fixture
def parent(toy_shards, toy_trial, tmp_path):
    """Folder of a training after its first report."""
    training = Training(toy_trial(), toy_shards, seed=1)
    next(training)
    training.save(tmp_path / "parent")
    return tmp_path / "parent"


def test_a_fork_takes_over_and_goes_its_own_way(toy_shards, toy_trial, parent):
    config = toy_trial(**CHANGED)
    fork = Training.fork(parent, config, 2, toy_shards)
    original = Training.resume(parent, toy_shards)
    assert equal_weights(weights(fork), weights(original))
    assert (fork.samples_seen, fork.lineage) == (40, (Ancestor(trial=toy_trial(), seed=1, until=40),))
    reports = list(fork)
    assert [report.samples_seen for report in reports] == [82, 124]
    assert fork.record.history[0] == original.history[0]
    assert not equal_weights(weights(fork), weights(Training(config, toy_shards, seed=2)))


def test_the_lineage_trained_again_gives_the_same_numbers(toy_shards, toy_trial, parent, tmp_path):
    second = Training.fork(parent, toy_trial(**CHANGED), 2, toy_shards)
    next(second)
    second.save(tmp_path / "second")
    third = Training.fork(tmp_path / "second", toy_trial(), 3, toy_shards)
    again = begin(toy_trial(), toy_shards, 3, lineage=third.lineage)
    assert [ancestor.until for ancestor in third.lineage] == [40, 82]
    assert numbers(again) == numbers(third)
    assert numbers(again.history) == numbers(third.history)
    assert equal_weights(weights(again), weights(third))


def test_a_fork_resumes_bit_for_bit_and_remembers_its_lineage(toy_shards, toy_trial, parent, tmp_path):
    whole = Training.fork(parent, toy_trial(**CHANGED), 2, toy_shards)
    killed = Training.fork(parent, toy_trial(**CHANGED), 2, toy_shards)
    killed.step()
    killed.save(tmp_path / "killed")
    assert read_record(tmp_path / "killed").lineage == whole.lineage
    resumed = Training.resume(tmp_path / "killed", toy_shards)
    assert resumed.signature == whole.signature
    assert numbers(resumed) == numbers(whole)
    assert equal_weights(weights(resumed), weights(whole))


def test_what_a_network_was_cut_out_of_is_remembered(toy_shards, toy_trial, tmp_path):
    config = toy_trial()
    larger = (Larger(signature="0" * 16, model=config.model, num_parameters=9, samples_seen=40, dev_eer=0.1),)
    training = Training(config, toy_shards, 1, pruned_from=larger)
    next(training)
    training.save(tmp_path / "parent")
    assert Training.resume(tmp_path / "parent", toy_shards).record.pruned_from == larger
    assert Training.fork(tmp_path / "parent", config, 2, toy_shards).record.pruned_from == larger


def test_lineage_is_part_of_the_signature(toy_trial):
    lineage = (Ancestor(trial=toy_trial(), seed=1, until=40),)
    moved = (Ancestor(trial=toy_trial(), seed=1, until=80),)
    found = {trial_signature(toy_trial(), 2, "toy", (), before) for before in ((), lineage, moved)}
    assert len(found) == 3


def test_an_ancestor_that_diverges_ends_the_lineage(toy_shards, toy_trial):
    """With another seed it may; here its weights grow ninefold a step."""
    growing = {"learning_rate": 1.0, "weight_decay": 10.0, "warmup_share": 0.0, "schedule": "constant"}
    hot = toy_trial(optimizer=growing, batch={"size": 2}, budget_passes=4.0)
    lineage = (Ancestor(trial=hot, seed=1, until=120), Ancestor(trial=toy_trial(), seed=1, until=140))
    training = begin(toy_trial(), toy_shards, 1, lineage=lineage)
    assert training.history[-1].diverged
    assert list(training) == []
    assert training.signature == trial_signature(toy_trial(), 1, "toy", (), lineage)


def test_another_network_cannot_take_over(toy_shards, toy_trial, parent):
    with pytest.raises(SpoofsweepError, match="weights must be those of the network"):
        Training.fork(parent, toy_trial(model={"channels": [4, 8]}), 2, toy_shards)


@pytest.mark.parametrize("block", ["plain", "mfm", "residual"])
def test_whatever_is_free_to_change_leaves_the_weights_their_places(toy_shards, toy_trial, tmp_path, block):
    """From every dropout off to every dropout on, and back."""
    kinds = [
        {"block": block, "cnn_dropout": p, "gru_input_dropout": p, "dropout": p, "stochastic_depth": p, "gru_layers": 2}
        for p in (0.0, 0.3)
    ]
    for before, after in (kinds, kinds[::-1]):
        training = Training(toy_trial(model=before), toy_shards, seed=1)
        next(training)
        training.save(tmp_path / "parent")
        next(Training.fork(tmp_path / "parent", toy_trial(model=after), 2, toy_shards))


def test_what_may_change_and_what_is_held():
    free = ["optimizer.learning_rate", "loss.bonafide_weight", "batch.size", "model.dropout", "spec_augment.time_masks"]
    held = [
        "loss.kind",
        "model.channels",
        "model.kind",
        "precision",
        "budget_passes",
        "averaging.kind",
        "validation.window_s",
    ]
    assert all(map(may_change, free))
    assert not any(map(may_change, held))
    for path in (*free, *held):
        section, _, field = path.partition(".")
        model = TrialConfig.model_fields[section].annotation
        assert not field or field in model.model_fields
