"""Limits of parameters and latency: what is beyond is never trained, costs no trial, and the sampler learns of it."""

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial
from toys import ToyData, toy_study, toy_trial
from virtual_studies import virtual_study

from cluster.errors import SpoofsweepError
from data_prep.features_config import FeaturesConfig
from search.ledger.leaderboard import status_lines, summarise
from search.ledger.ledger import Ledger
from search.ledger.study_reader import read_trials
from search.sampling.bounded_history import BoundedHistory
from search.sampling.limits import MOST_REFUSALS, Limits, limit_notes, limits_of
from search.study.config import ParameterConfig, SearchConfig, StudyConfig
from search.study.space import SearchSpace
from search.sweep.sweep import open_ledger, run_sweep
from search.trials.trial_record import REFUSED, TrialRecord
from trainable.config import TrialConfig

SHARDS = ToyData(Path()).shard_set_id
MOST = 100_000
"""Parameters; more than half of the space of `sizes_study` is beyond."""
VIRTUAL_MOST = 180_000
"""Of the space of `virtual_study`, where the default configuration has 200,522."""


def num_parameters(trial: TrialRecord) -> float:
    return next(iter(Limits(SearchConfig(max_parameters=1), FeaturesConfig()).excess(trial.config).values()))


def sizes_study(output: Path, name: str = "limited", num_trials: int = 12, **search: Any) -> Any:
    """The networks of this space have 20,000 to 700,000 parameters."""
    space = {"model.gru_size": {"low": 8, "high": 128}, "model.channels": {"choices": [[8], [16, 32], [32, 48, 64]]}}
    sections = {"space": space, "search": {"max_parameters": MOST, "start_from_defaults": False, **search}}
    return toy_study(output, name, num_trials, **sections)


def asked(study: Any, number: int) -> list[TrialRecord]:
    """Trials as a sweep begins them; larger ones are better."""
    study.folder.mkdir(parents=True, exist_ok=True)
    ledger = open_ledger(study, SHARDS)
    try:
        for _ in range(number):
            trial = ledger.ask()
            ledger.report(trial.number, 100, 1 / num_parameters(trial))
            ledger.finish(trial.number, "COMPLETE", 1 / num_parameters(trial))
        return ledger.trials()
    finally:
        ledger.close()


SLOW_GP = pytest.param("gp", marks=pytest.mark.long, id="gp takes a fraction of a second a draw")


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", SLOW_GP, "random", "qmc"])
def test_no_trial_is_beyond_and_none_is_lost(tmp_path: Path, sampler: str) -> None:
    trials = asked(sizes_study(tmp_path, sampler=sampler), 12)
    assert [trial.number for trial in trials] == list(range(12))
    assert all(trial.state == "COMPLETE" and num_parameters(trial) <= MOST for trial in trials)
    refused = [refusal for trial in trials for refusal in trial.attributes.get(REFUSED, ())]
    assert refused
    assert all(refusal["num_parameters"] > MOST for refusal in refused)
    assert len({str(refusal["params"]) for refusal in refused}) == len(refused)  # never the same draw again
    lines = status_lines(summarise(trials, (), 900, 100))
    assert f"Refused: {len(refused)} drawn configurations beyond the study's limits, not trained" in lines


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", SLOW_GP, "qmc"])
def test_a_resumed_study_draws_as_one_that_never_stopped(tmp_path: Path, sampler: str) -> None:
    whole = asked(sizes_study(tmp_path, "whole", sampler=sampler), 14)
    asked(sizes_study(tmp_path, "parts", sampler=sampler), 6)
    parts = asked(sizes_study(tmp_path, "parts", sampler=sampler), 8)
    assert [trial.params for trial in parts] == [trial.params for trial in whole]
    assert [trial.attributes.get(REFUSED) for trial in parts] == [trial.attributes.get(REFUSED) for trial in whole]


def test_the_sampler_learns_where_not_to_look(tmp_path: Path) -> None:
    """Though the best trials lie right at the limit, and larger ones would be better still."""
    trials = asked(sizes_study(tmp_path, "learns", startup_trials=6, random_share=0.0), 20)
    blind = asked(sizes_study(tmp_path, "blind", sampler="qmc"), 20)
    refused = [sum(trial.num_refused for trial in some[6:]) for some in (trials, blind)]
    assert refused[0] < 0.5 * refused[1]


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
def test_a_prior_far_beyond_the_limits_gives_way(tmp_path: Path, sampler: str) -> None:
    """It would hardly ever draw a network that is small enough."""
    small = TrialConfig.model_validate({"model": {"gru_size": 16, "channels": [16, 32]}})
    (most,) = Limits(SearchConfig(max_parameters=1), FeaturesConfig()).excess(small).values()
    space = {"model.gru_size": {"low": 8, "high": 128, "likely": 128}, "model.channels": {"choices": [[16, 32]]}}
    search = {"max_parameters": int(most), "prior_share": 1.0, "sampler": sampler}
    (trial,) = asked(toy_study(tmp_path, "hopeful", 1, space=space, search=search), 1)
    assert trial.config.model.gru_size <= 16


def test_refused_draws_are_no_reason_to_take_more_trials_as_good() -> None:
    history = BoundedHistory(1)
    history.learn([create_trial(value=float(i)) for i in range(20)])
    history.learn([create_trial(state=TrialState.PRUNED) for _ in range(100)])
    assert history.num_good == 2


def test_a_queued_configuration_beyond_gives_way_to_a_drawn_one(tmp_path: Path) -> None:
    ledger = open_ledger(_with_folder(sizes_study(tmp_path)), SHARDS)
    number = ledger.enqueue({"model.gru_size": 128, "model.channels": "[32, 48, 64]"})
    trial = ledger.ask()
    stored = read_of(ledger, number)
    ledger.close()
    assert trial.number == stored.number == number
    assert num_parameters(trial) <= MOST
    assert stored.params == trial.params
    assert stored.attributes[REFUSED][0]["params"]["model.gru_size"] == 128


def test_who_takes_over_weights_is_not_drawn_again(tmp_path: Path) -> None:
    """Its network is its parent's, whatever the limits are by now."""
    ledger = open_ledger(_with_folder(sizes_study(tmp_path)), SHARDS)
    ledger.enqueue({"model.gru_size": 128, "model.channels": "[32, 48, 64]"}, lineage=[])
    assert num_parameters(ledger.ask()) > MOST
    ledger.close()


def test_a_limit_that_was_raised_lets_the_sampler_forget(tmp_path: Path) -> None:
    asked(sizes_study(tmp_path), 8)
    raised = asked(sizes_study(tmp_path, max_parameters=10**7, sampler="tpe"), 8)
    assert all(trial.num_refused == 0 for trial in raised[8:])
    assert any(num_parameters(trial) > MOST for trial in raised[8:])


def test_a_space_of_nothing_but_large_models_is_an_error(tmp_path: Path) -> None:
    ledger = open_ledger(_with_folder(sizes_study(tmp_path, max_parameters=1000)), SHARDS)
    with pytest.raises(SpoofsweepError, match=rf"within search\.max_parameters = 1,000; got {MOST_REFUSALS} draws"):
        ledger.ask()
    ledger.close()


@pytest.mark.long
def test_a_sweep_of_ray_keeps_the_limits(tmp_path: Path, ray_session: None) -> None:
    """Starts Ray: every trial that was paid for is within."""
    study = toy_study(tmp_path, "limited", 6, search={"max_parameters": 210_000})  # forbids one of the two networks
    result = run_sweep(study, ToyData(tmp_path), trainable=toy_trial())
    trials = read_trials(study.storage_url, study.name).trials
    assert len(trials) == 6
    assert all(num_parameters(trial) <= 210_000 for trial in trials)
    assert result.summary.num_refused == sum(trial.num_refused for trial in trials) > 0


def config_of(window_s: float = 3.0, **search: Any) -> StudyConfig:
    config, _ = virtual_study(**search)
    return config.model_copy(update={"trial": TrialConfig.model_validate({"validation": {"window_s": window_s}})})


def test_check_tells_of_a_default_beyond_and_of_the_share_of_the_space() -> None:
    config = config_of(max_parameters=VIRTUAL_MOST)
    default, share = limit_notes(config, SearchSpace(config.space))
    assert "beyond search.max_parameters = 180,000: it is not trained" in default
    assert "% of [space] is beyond" in share
    assert limit_notes(config_of(max_parameters=10**7), SearchSpace(config.space)) == []
    assert limits_of(config_of()) is None


def test_check_looks_as_long_for_room_as_a_trial_does() -> None:
    """Of this space's probes the 93rd is the first within."""
    share = {"low": 0.1, "high": 0.5}
    sizes = {"model.channels": {"choices": [[8], [16], [32], [64]]}, "model.gru_size": {"low": 8, "high": 128}}
    space = SearchSpace(
        {
            path: ParameterConfig.model_validate(values)
            for path, values in {"model.dropout": share, "loss.bonafide_weight": share, **sizes}.items()
        }
    )
    *_, note = limit_notes(config_of(max_parameters=20_000), space)
    assert note.startswith("about 99% of [space] is beyond search.max_parameters = 20,000")


def test_check_refuses_a_study_without_room() -> None:
    config = config_of(window_s=0.05, max_latency_ms=0.001)
    space = SearchSpace({"optimizer.learning_rate": config.space["optimizer.learning_rate"]})  # one network
    with pytest.raises(SpoofsweepError, match=r"must have configurations within search\.max_latency_ms = 0\.001"):
        limit_notes(config, space)


def test_latency_is_a_limit_too() -> None:
    limits = Limits(SearchConfig(max_latency_ms=0.01), FeaturesConfig())
    (name,) = limits.excess(TrialConfig())
    assert name == "latency_ms"
    assert Limits(SearchConfig(max_latency_ms=10_000), FeaturesConfig()).excess(TrialConfig()) == {}


def _with_folder(study: Any) -> Any:
    study.folder.mkdir(parents=True, exist_ok=True)
    return study


def read_of(ledger: Ledger, number: int) -> TrialRecord:
    """As the storage has it."""
    return next(trial for trial in ledger.trials() if trial.number == number)
