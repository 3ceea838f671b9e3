"""Trials with attacks held out, and over folds."""

import math
import time

import pytest
import torch
from courses import equal_weights, numbers, weights
from toy_shards import write_toy_shards

from trainable.checkpoints.checkpoint import read_record
from trainable.data.feature_store import FeatureStore
from trainable.data.hold_out import hold_out
from trainable.metrics.metrics import eer_by_attack
from trainable.training.folds import FoldedTraining, begin, resume
from trainable.training.training import Training

FOLDS = (("A01",), ("A02",))


def test_a_hold_out_trains_and_validates_on_other_attacks(toy_shards, toy_trial):
    training = begin(toy_trial(budget_passes=1.0), toy_shards, 1, folds=(("A02",),))
    store = FeatureStore(toy_shards, "train", torch.device("cpu"), index=hold_out(toy_shards.index, ("A02",)))
    assert training.samples_per_pass == len(store.label_U) == 12 + 14
    assert set(store.utterances["attack"]) == {"-", "A01"}
    (report,) = training
    table = training.score("dev")
    assert set(table.attack) == {"-", "A02"}
    assert eer_by_attack(table.score, table.label, table.attack) == {"A02": report.metrics["dev_eer"]}
    assert training.record.held_out == ("A02",)
    assert set(training.score("eval").attack) == {"-", "A01", "A02"}


def test_a_hold_out_resumes_as_one(toy_shards, toy_trial, tmp_path):
    whole = numbers(Training(toy_trial(), toy_shards, 3, held_out=("A01",)))
    training = Training(toy_trial(), toy_shards, 3, held_out=("A01",))
    first = next(training)
    training.save(tmp_path / "checkpoint")
    assert numbers([first, *resume(tmp_path / "checkpoint", toy_shards)]) == whole


def test_trials_that_hold_out_other_attacks_are_other_trials(toy_shards, toy_trial):
    policies = [(), (("A01",),), (("A02",),), FOLDS]
    assert len({begin(toy_trial(), toy_shards, 1, folds=folds).signature for folds in policies}) == len(policies)


def test_folds_are_the_separate_trainings_bit_for_bit(toy_shards, toy_trial):
    config = toy_trial(budget_passes=2.5, batch={"size": 12})
    separate = [Training(config, toy_shards, 5, held_out=held_out) for held_out in FOLDS]
    expected = [list(training) for training in separate]
    folded = begin(config, toy_shards, 5, folds=FOLDS)
    reports = list(folded)
    assert [numbers(training.history) for training in folded.trainings] == [numbers(course) for course in expected]
    assert all(equal_weights(weights(a), weights(b)) for a, b in zip(folded.trainings, separate, strict=True))
    for report, *parts in zip(reports, *expected, strict=True):
        eers = [part.metrics["dev_eer"] for part in parts]
        assert report.samples_seen == sum(part.samples_seen for part in parts)
        assert report.metrics["dev_eer"] == sum(eers) / 2
        assert [report.metrics["dev_eer_fold0"], report.metrics["dev_eer_fold1"]] == eers
        assert report.metrics["dev_eer_folds_sd"] == pytest.approx(abs(eers[0] - eers[1]) / math.sqrt(2))
        for name in ("dev_eer_low", "dev_min_dcf", "dev_act_dcf", "dev_cllr"):
            assert report.metrics[name] == sum(part.metrics[name] for part in parts) / 2
    assert [report.final for report in reports] == [False, False, True]


def test_over_folds_every_attack_counts_once_by_the_model_that_did_without_it(toy_trial, tmp_path):
    """Three attacks in two folds: their mean is not the mean of the folds."""
    shards = write_toy_shards(tmp_path)
    index = shards.index
    is_third = (index["attack"] == "A02") & (index["utterance_id"].str[-1].astype(int) > 6)
    index.loc[is_third, "attack"] = "A03"
    folded = begin(toy_trial(budget_passes=1.0), shards, 1, folds=(("A01", "A02"), ("A03",)))
    (report,) = folded
    tables = [training.score("dev") for training in folded.trainings]
    eers = [eer_by_attack(table.score, table.label, table.attack) for table in tables]
    assert [each.keys() for each in eers] == [{"A01", "A02"}, {"A03"}]
    every = [eer for each in eers for eer in each.values()]
    assert report.metrics["dev_mean_attack_eer"] == pytest.approx(sum(every) / 3)
    assert report.metrics["dev_worst_attack_eer"] == max(every)


def test_a_pass_is_one_of_every_model(toy_shards, toy_trial):
    """26 training utterances in each fold, in batches of 13."""
    config = toy_trial(budget_passes=2.0, batch={"size": 13})
    reports = list(begin(config, toy_shards, 1, folds=FOLDS))
    assert [(report.samples_seen, report.passes) for report in reports] == [(52, 1.0), (104, 2.0)]


@pytest.mark.parametrize("num_reports", [0, 1, 2, 3])
def test_folds_resume_bit_for_bit(toy_shards, toy_trial, tmp_path, num_reports):
    config = toy_trial(model={"dropout": 0.5})
    whole = begin(config, toy_shards, 3, folds=FOLDS)
    expected = numbers(whole)
    killed = begin(config, toy_shards, 3, folds=FOLDS)
    before = [next(killed) for _ in range(num_reports)]
    killed.save(tmp_path / "checkpoint")
    resumed = resume(tmp_path / "checkpoint", toy_shards)
    assert isinstance(resumed, FoldedTraining)
    assert resumed.signature == killed.signature
    assert numbers([*before, *resumed]) == expected
    assert numbers(resumed.history) == expected
    assert all(equal_weights(weights(a), weights(b)) for a, b in zip(whole.trainings, resumed.trainings, strict=True))


def test_folds_resume_from_the_middle_of_a_round(toy_shards, toy_trial, tmp_path):
    expected = numbers(begin(toy_trial(), toy_shards, 3, folds=FOLDS))
    killed = begin(toy_trial(), toy_shards, 3, folds=FOLDS)
    first = next(killed)
    next(killed.trainings[0])
    killed.trainings[1].step()
    killed.save(tmp_path / "checkpoint")
    assert numbers([first, *resume(tmp_path / "checkpoint", toy_shards)]) == expected


def test_models_that_report_unequally_often_come_to_the_end(toy_shards, toy_trial):
    """Batches larger than the distance of reports, so that 26 and 40 utterances make different numbers of them."""
    config = toy_trial(budget_passes=2.0, report_passes=0.3, batch={"size": 14})
    parts = [Training(config, toy_shards, 1, held_out=held_out) for held_out in (("A01",), ())]
    counts = [len(list(training)) for training in parts]
    assert counts[0] != counts[1]
    folded = FoldedTraining([Training(config, toy_shards, 1, held_out=held_out) for held_out in (("A01",), ())])
    reports = list(folded)
    assert len(reports) == max(counts)
    spent_s = sum(report.metrics["epoch_s"] for training in folded.trainings for report in training.history)
    assert sum(report.metrics["epoch_s"] for report in reports) == pytest.approx(spent_s)
    assert reports[-1].samples_seen == sum(training.samples_seen for training in parts)
    assert [report.samples_seen for report in reports] == sorted({report.samples_seen for report in reports})


def test_one_diverged_fold_is_a_diverged_trial(toy_shards, toy_trial, tmp_path):
    folded = begin(toy_trial(), toy_shards, 1, folds=FOLDS)
    next(folded)
    with torch.no_grad():
        folded.trainings[1].model.classifier.head.bias.fill_(math.nan)
    (last,) = folded
    assert last.final
    assert last.diverged
    assert last.metrics["dev_eer"] == last.metrics["dev_eer_fold1"] == 1.0
    assert last.metrics["dev_eer_fold0"] < 1.0
    assert (last.metrics["dev_min_dcf"], last.metrics["dev_cllr"]) == (1.0, math.inf)
    assert "dev_threshold" not in last.metrics  # each model has its own
    folded.save(tmp_path / "checkpoint")
    assert list(resume(tmp_path / "checkpoint", toy_shards)) == []


def test_every_fold_leaves_its_model(toy_shards, toy_trial, tmp_path):
    folded = begin(toy_trial(budget_passes=1.0), toy_shards, 1, folds=FOLDS)
    list(folded)
    folded.write_model(tmp_path / "model")
    records = [read_record(tmp_path / "model" / name) for name in ("fold0", "fold1")]
    assert [record.held_out for record in records] == [("A01",), ("A02",)]
    assert [record.dev_eer for record in records] == [t.history[-1].metrics["dev_eer"] for t in folded.trainings]


def test_the_time_of_other_models_is_not_counted(toy_shards, toy_trial, monkeypatch):
    training = Training(toy_trial(), toy_shards, 1)
    next(training)
    clock = time.perf_counter
    monkeypatch.setattr("time.perf_counter", lambda: clock() + 1000.0)  # as if other models had trained since
    assert next(training).metrics["epoch_s"] < 500
