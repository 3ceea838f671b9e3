"""Studies that start from earlier ones, over real SQLite files."""

import shutil
import statistics
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial
from toys import ToyData, toy_study

from cluster.errors import SpoofsweepError
from search.ledger.warm_start import START, start_from_earlier
from search.sampling.sampler import MixedSampler
from search.study.study import Study
from search.sweep.sweep import open_ledger
from search.trials.trial_record import TrialRecord

SHARDS = ToyData(Path()).shard_set_id
BEST_DROPOUT = 0.3
NUM_TRIALS = 24


def run(study: Study, num_trials: int, shards: str = SHARDS) -> list[TrialRecord]:
    """Trials as a sweep begins them; best at a dropout of 0.3 and a high learning rate, a third of them pruned."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ledger = open_ledger(study, shards)
    start_from_earlier(study, ledger)
    for _ in range(num_trials):
        trial = ledger.ask()
        model, rate = trial.config.model, trial.config.optimizer.learning_rate
        value = abs(model.dropout - BEST_DROPOUT) + 0.02 - rate
        ledger.report(trial.number, 100, value)
        ledger.finish(trial.number, *(("PRUNED",) if trial.number % 3 == 2 else ("COMPLETE", value)))
    trials = ledger.trials()
    ledger.close()
    return trials


def study_from(output: Path, name: str, *earlier: str, **sections: dict[str, Any]) -> Study:
    return toy_study(output, name, 40, **{"search": {"start_from": list(earlier)}, **sections})


@pytest.fixture
def earlier(tmp_path: Path) -> list[TrialRecord]:
    return run(toy_study(tmp_path, "earlier", 40), NUM_TRIALS)


def best(trials: list[TrialRecord], number: int = 3) -> list[TrialRecord]:
    complete = (trial for trial in trials if trial.state == "COMPLETE")
    return sorted(complete, key=lambda trial: trial.value or 0.0)[:number]


def test_the_best_come_first_after_the_default(tmp_path: Path, earlier: list[TrialRecord]) -> None:
    trials = run(study_from(tmp_path, "later", "earlier", search={"start_from": ["earlier"], "start_trials": 2}), 5)
    assert [trial.attributes.get(START) for trial in trials] == [
        f"earlier:{trial.number}" for trial in best(earlier, 2)
    ] + [None] * 3
    assert [trial.config for trial in trials[:2]] == [trial.config for trial in best(earlier, 2)]
    assert [trial.params for trial in trials[:2]] == [trial.params for trial in best(earlier, 2)]  # in the storage
    assert len(trials) == 5


def test_what_took_over_other_weights_is_passed_over(tmp_path: Path, earlier: list[TrialRecord]) -> None:
    ancestor = {"trial": earlier[0].config.model_dump(mode="json"), "seed": 1, "until": 50}
    ledger = open_ledger(toy_study(tmp_path, "earlier", 40), SHARDS)
    heir = ledger.enqueue({"model.dropout": BEST_DROPOUT}, lineage=[ancestor])
    ledger.ask()
    ledger.finish(heir, "COMPLETE", -1.0)
    ledger.close()
    trials = run(study_from(tmp_path, "later", search={"start_from": ["earlier"], "start_trials": 1}), 1)
    assert trials[0].attributes[START] == f"earlier:{best(earlier, 1)[0].number}"


def test_trials_of_the_same_data_teach_the_sampler(tmp_path: Path, earlier: list[TrialRecord]) -> None:
    settings = {"sampler": "tpe", "startup_trials": 0, "random_share": 0.0, "start_from_defaults": False}
    taught = run(study_from(tmp_path, "taught", search={**settings, "start_from": ["earlier"]}), 15)[3:]
    alone = run(study_from(tmp_path, "alone", search=settings), 12)

    def mean_distance(trials: list[TrialRecord]) -> float:
        return sum(abs(trial.config.model.dropout - BEST_DROPOUT) for trial in trials) / len(trials)

    assert mean_distance(taught) < 0.75 * mean_distance(alone)


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_a_resumed_study_needs_the_earlier_one_no_more(
    tmp_path: Path, earlier: list[TrialRecord], sampler: str
) -> None:
    search = {"start_from": ["earlier"], "sampler": sampler, "startup_trials": 4}
    whole = run(study_from(tmp_path, "whole", search=search), 16)
    study = study_from(tmp_path, "resumed", search=search)
    run(study, 2)
    shutil.rmtree(tmp_path / "studies" / "earlier")
    resumed = run(study, 14)
    assert [trial.params for trial in resumed] == [trial.params for trial in whole]
    assert [trial.attributes.get(START) for trial in resumed] == [trial.attributes.get(START) for trial in whole]


@pytest.mark.parametrize(
    ("change", "shards", "number"),
    [
        ({}, SHARDS, NUM_TRIALS),
        ({}, "other shards", 0),
        ({"trial": {"budget_passes": 27}}, SHARDS, 0),
    ],
)
def test_only_what_compares_teaches(
    tmp_path: Path,
    earlier: list[TrialRecord],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    shards: str,
    number: int,
) -> None:
    study = study_from(tmp_path, "later", "earlier", **change)
    ledger = open_ledger(study, shards)
    taught: list[FrozenTrial] = []
    monkeypatch.setattr(MixedSampler, "learn", lambda sampler, earlier: taught.extend(earlier))
    notes = start_from_earlier(study, ledger)
    assert len(taught) == number
    assert notes[-1].startswith(f"{number} trials of earlier") or "other shard_set_id" in notes[-1]
    assert [trial.state for trial in ledger.trials()] == ["WAITING"] * 3
    ledger.close()


def test_cma_es_begins_where_earlier_trials_were_good(tmp_path: Path, earlier: list[TrialRecord]) -> None:
    search = {"sampler": "cmaes", "startup_trials": 0, "random_share": 0.0, "start_from_defaults": False}
    warm = run(study_from(tmp_path, "warm", search={**search, "start_from": ["earlier"]}), 11)[3:]
    cold = run(study_from(tmp_path, "cold", search=search), 8)

    def spread(trials: list[TrialRecord]) -> float:
        return statistics.stdev(trial.config.model.dropout for trial in trials)

    assert spread(warm) < 0.8 * spread(cold)


def test_of_another_space_what_fits_is_kept(tmp_path: Path, earlier: list[TrialRecord]) -> None:
    """A narrower range, a choice that is gone, a parameter that is not searched, and one that was not."""
    space = {
        "model.dropout": {"low": 0.0, "high": 0.2},
        "model.channels": {"choices": [[8, 16], [16, 32]]},
        "loss.bonafide_weight": {"low": 0.5, "high": 0.9},
    }
    origin = best(earlier, 1)[0]
    study = study_from(tmp_path, "other", "earlier", space=space)
    del study.config.space["optimizer.learning_rate"]
    (trial,) = run(study, 1)[:1]
    assert trial.attributes[START] == f"earlier:{origin.number}"
    assert trial.config.model.dropout == min(origin.config.model.dropout, 0.2)
    assert trial.config.loss.bonafide_weight == origin.config.loss.bonafide_weight
    assert trial.config.optimizer.learning_rate == study.config.trial.optimizer.learning_rate
    assert list(trial.config.model.channels) in ([8, 16], [16, 32])


def test_a_study_in_another_storage_is_named_with_it(tmp_path: Path, earlier: list[TrialRecord]) -> None:
    reference = f"sqlite:///{tmp_path}/studies/earlier/optuna.db#earlier"
    (trial,) = run(study_from(tmp_path / "elsewhere", "later", reference), 1)[:1]
    assert trial.attributes[START] == f"{reference}:{best(earlier)[0].number}"


def test_a_killed_driver_queues_each_once(tmp_path: Path, earlier: list[TrialRecord]) -> None:
    study = study_from(tmp_path, "later", "earlier")
    ledger = open_ledger(study, SHARDS)
    start_from_earlier(study, ledger)
    ledger.close()
    assert [trial.attributes.get(START) for trial in run(study, 0)] == [f"earlier:{t.number}" for t in best(earlier)]


def test_a_study_that_was_never_begun_is_a_clear_error(tmp_path: Path) -> None:
    study = study_from(tmp_path, "later", "nowhere")
    ledger = open_ledger(study, SHARDS)
    with pytest.raises(SpoofsweepError, match="must have been started; got nowhere"):
        start_from_earlier(study, ledger)
    ledger.close()
