import json
import math

import pytest
import torch
from courses import equal_weights, numbers, weights
from toy_shards import write_toy_shards

from cluster.errors import SpoofsweepError
from data_prep.error_rates import equal_error_rate
from trainable.metrics.metrics import eer_by_attack
from trainable.scores.costs import detection_costs
from trainable.training.training import Training


def test_reports_come_at_each_multiple_and_at_the_end(toy_shards, toy_trial):
    """40 training utterances in batches of 12: the first step at or beyond 40, 80, and the budget of 100."""
    reports = list(Training(toy_trial(batch={"size": 12}, budget_passes=2.5), toy_shards, seed=1))
    assert [(r.samples_seen, r.final) for r in reports] == [(48, False), (84, False), (108, True)]
    assert reports[0].passes == pytest.approx(1.2)


def test_a_batch_beyond_several_multiples_reports_once(toy_shards, toy_trial):
    config = toy_trial(batch={"size": 30}, report_passes=0.25, budget_passes=1.5)
    assert [r.samples_seen for r in Training(config, toy_shards, seed=1)] == [30, 60]


def test_a_report_says_all_it_promises(toy_shards, toy_trial):
    report = next(Training(toy_trial(), toy_shards, seed=1))
    assert set(report.metrics) == {
        *("train_loss", "learning_rate", "grad_norm", "dev_eer", "dev_eer_low", "dev_eer_high", "dev_eer_sd"),
        *("dev_threshold", "dev_min_dcf", "dev_act_dcf", "dev_cllr", "utterances_per_s", "epoch_s", "diverged"),
        *("dev_mean_attack_eer", "dev_worst_attack_eer"),
    }
    assert all(isinstance(value, float) and math.isfinite(value) for value in report.metrics.values())
    assert report.metrics["dev_eer_low"] <= report.metrics["dev_eer"] <= report.metrics["dev_eer_high"]


def test_costs_are_those_of_the_scores(toy_shards, toy_trial):
    training = Training(toy_trial(budget_passes=1.0), toy_shards, seed=1)
    (report,) = training
    costs = detection_costs(training.score("dev"))
    assert set(costs) == {"min_dcf", "act_dcf", "cllr"}
    assert {name: report.metrics[f"dev_{name}"] for name in costs} == costs


def test_eers_over_attacks_are_those_of_the_scores(toy_shards, toy_trial):
    training = Training(toy_trial(budget_passes=1.0), toy_shards, seed=1)
    (report,) = training
    table = training.score("dev")
    eers = eer_by_attack(table.score, table.label, table.attack)
    assert eers.keys() == {"A01", "A02"}
    assert report.metrics["dev_mean_attack_eer"] == sum(eers.values()) / 2
    assert report.metrics["dev_worst_attack_eer"] == max(eers.values())


def test_training_learns_a_learnable_set(toy_shards, toy_trial):
    training = Training(toy_trial(budget_passes=12.0, report_passes=3.0), toy_shards, seed=1)
    reports = list(training)
    assert reports[-1].metrics["train_loss"] < 0.5 * reports[0].metrics["train_loss"]
    assert reports[-1].metrics["dev_eer"] < 0.1
    unseen = training.score("eval")
    assert equal_error_rate(unseen.bonafide, unseen.spoof)[0] < 0.2


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_equal_trials_are_equal_bit_for_bit(toy_shards, toy_trial, precision):
    config = toy_trial(precision=precision, budget_passes=2.0)
    runs = []
    for _ in range(2):
        torch.rand(17)  # whatever ran before in this process must not matter
        training = Training(config, toy_shards, seed=5)
        runs.append((numbers(training), weights(training)))
    assert runs[0][0] == runs[1][0]
    assert equal_weights(runs[0][1], runs[1][1])


def test_seeds_matter(toy_shards, toy_trial):
    first, second = (next(Training(toy_trial(), toy_shards, seed)) for seed in (1, 2))
    assert first.metrics["train_loss"] != second.metrics["train_loss"]


@pytest.mark.parametrize(("steps", "policies"), [(0, None), (1, None), (3, ["policy2"]), (7, []), (13, ["policy1"])])
def test_killed_at_any_step_training_resumes_bit_for_bit(toy_shards, toy_trial, tmp_path, steps, policies):
    """Five steps a pass: within the first pass, within later ones, and before the first step."""
    config = toy_trial(model={"dropout": 0.5, "cnn_dropout": 0.2}, batch={"policies": policies})
    whole = Training(config, toy_shards, seed=3)
    expected = numbers(whole)

    killed = Training(config, toy_shards, seed=3)
    before = [next(killed) for _ in range(steps // 5)]
    for _ in range(steps % 5):
        killed.step()
    killed.save(tmp_path / "checkpoint")
    torch.rand(5)
    resumed = Training.resume(tmp_path / "checkpoint", toy_shards)
    assert numbers([*before, *resumed]) == expected
    assert equal_weights(weights(whole), weights(resumed))
    assert numbers(resumed.history) == expected


def test_saving_does_not_disturb_training(toy_shards, toy_trial, tmp_path):
    config = toy_trial(budget_passes=2.0)
    quiet = Training(config, toy_shards, seed=3)
    saved = Training(config, toy_shards, seed=3)
    expected, found = [], []
    for report in quiet:
        expected.append(report)
    for report in saved:
        saved.save(tmp_path / "checkpoint")
        saved.score("eval")
        found.append(report)
    assert numbers(found) == numbers(expected)


def test_a_finished_trial_stays_finished(toy_shards, toy_trial, tmp_path):
    training = Training(toy_trial(budget_passes=1.0), toy_shards, seed=3)
    assert list(training)[-1].final
    training.save(tmp_path / "checkpoint")
    assert list(Training.resume(tmp_path / "checkpoint", toy_shards)) == []


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_divergence_is_a_result(toy_shards, toy_trial, tmp_path, poison):
    training = Training(toy_trial(), toy_shards, seed=1)
    next(training)
    with torch.no_grad():
        training.model.classifier.head.bias.fill_(poison)
    (last,) = training
    assert (last.metrics["dev_eer"], last.metrics["dev_eer_high"], last.metrics["diverged"]) == (1.0, 1.0, 1.0)
    costs = [last.metrics[f"dev_{name}"] for name in ("min_dcf", "act_dcf", "cllr")]
    assert costs == [1.0, pytest.approx(2.9), math.inf]
    assert last.diverged
    assert last.final
    assert training.record.threshold is None
    training.save(tmp_path / "checkpoint")
    resumed = Training.resume(tmp_path / "checkpoint", toy_shards)
    assert resumed.finished
    assert resumed.history[-1].metrics["dev_cllr"] == math.inf
    assert math.isnan(resumed.history[-1].metrics["train_loss"]) or math.isinf(
        resumed.history[-1].metrics["train_loss"]
    )


def test_a_huge_learning_rate_ends_in_a_report(toy_shards, toy_trial):
    """Whatever it does to the weights, the trial ends with a report and not with an exception."""
    config = toy_trial(optimizer={"learning_rate": 1.0, "clip_norm": 1e9, "warmup_share": 0.0})
    assert list(Training(config, toy_shards, seed=1))[-1].final


def test_shards_of_another_study_are_refused(toy_shards, toy_trial, tmp_path):
    Training(toy_trial(), toy_shards, seed=1).save(tmp_path / "checkpoint")
    others = write_toy_shards(tmp_path / "others", "another")
    with pytest.raises(SpoofsweepError, match="toy, and shards another"):
        Training.resume(tmp_path / "checkpoint", others)


def test_scores_are_in_float32_whatever_the_training_precision(toy_shards, toy_trial):
    training = Training(toy_trial(precision="bf16", budget_passes=1.0), toy_shards, seed=1)
    next(training)
    table = training.score("dev")
    assert len(set(table.score)) == len(table.score) == 24
    assert training.record.precision == "bf16"


def test_another_precision_is_refused(toy_shards, toy_trial, tmp_path):
    Training(toy_trial(), toy_shards, seed=1).save(tmp_path)
    record = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(record | {"precision": "fp16"}))
    with pytest.raises(SpoofsweepError, match="a checkpoint in fp16"):
        Training.resume(tmp_path, toy_shards)


def test_steps_use_deterministic_algorithms(toy_shards, toy_trial):
    training = Training(toy_trial(), toy_shards, seed=1)
    seen = []
    training.model.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.deterministic))
    training.model.classifier.head.bias.register_hook(lambda _: seen.append(torch.backends.cudnn.deterministic))
    training.step()
    assert seen == [True, True]
    assert not torch.backends.cudnn.deterministic
