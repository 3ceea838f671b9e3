"""A study whose space changes between sweeps, over a real SQLite file."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from search.ledger.ledger import Ledger
from search.sampling.evolution import GENERATION
from search.sampling.sampler import make_sampler
from search.sampling.translation import Translation
from search.study.config import ParameterConfig, SearchConfig
from search.study.space import SearchSpace
from trainable.config import TrialConfig

SPACE = {
    "model.dropout": ParameterConfig(low=0.0, high=0.3),
    "model.channels": ParameterConfig(choices=((16, 32), (32, 64))),
    "model.gru_size": ParameterConfig(low=32, high=64, step=16),
}
WIDER = {**SPACE, "model.dropout": ParameterConfig(low=0.0, high=0.6)}
NUM_TRIALS = 16


@pytest.fixture
def url(tmp_path: Path) -> str:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return f"sqlite:///{tmp_path}/optuna.db"


def open_ledger(url: str, space: dict[str, ParameterConfig], sampler: str = "tpe", **defaults: Any) -> Ledger:
    search_space, config = SearchSpace(space), SearchConfig(sampler=sampler, startup_trials=4)
    return Ledger(url, "study", search_space, TrialConfig(**defaults), make_sampler(config, 1, search_space), 1, "abc")


def run(ledger: Ledger, num_trials: int = NUM_TRIALS) -> list[dict[str, Any]]:
    """The more dropout, the better; every third trial is pruned. Returns the parameters."""
    params = []
    for _ in range(num_trials):
        trial = ledger.ask()
        params.append(trial.params)
        value = 1.0 - trial.config.model.dropout
        ledger.report(trial.number, 100, value)
        ledger.finish(trial.number, *(("PRUNED",) if trial.number % 3 == 2 else ("COMPLETE", value)))
    ledger.close()
    return params


def known_to_the_sampler(ledger: Ledger) -> list[optuna.trial.FrozenTrial]:
    return ledger._copy.get_trials(deepcopy=False)


def test_a_wider_range_is_searched_and_what_was_found_is_used(url: str) -> None:
    run(open_ledger(url, SPACE))
    drawn = [params["model.dropout"] for params in run(open_ledger(url, WIDER), 32)]
    assert max(drawn) > 0.45
    assert sum(dropout > 0.3 for dropout in drawn) > 16  # half of them, had nothing been learnt
    stored = optuna.load_study(study_name="study", storage=url).trials
    assert [trial.number for trial in stored] == list(range(NUM_TRIALS + 32))


def test_cma_es_goes_on_in_a_wider_range_with_the_generation_that_it_had_come_to(url: str) -> None:
    run(open_ledger(url, SPACE, "cmaes"), 24)
    drawn = run(open_ledger(url, WIDER, "cmaes"), 16)
    assert max(params["model.dropout"] for params in drawn) > 0.3
    stored = optuna.load_study(study_name="study", storage=url).trials
    generations = [t.system_attrs[GENERATION] for t in stored if GENERATION in t.system_attrs]
    assert generations == sorted(generations)
    assert len(set(generations)) == max(generations) + 1 >= 4


def test_new_choices_come_anywhere_among_the_old(url: str) -> None:
    """Optuna holds a choice as its place among the choices: earlier trials must keep what they chose."""
    before = run(open_ledger(url, SPACE))
    more = {**SPACE, "model.channels": ParameterConfig(choices=((8, 16), (16, 32), (24, 48), (32, 64)))}
    ledger = open_ledger(url, more)
    assert [trial.params for trial in known_to_the_sampler(ledger)] == before
    channels = SearchSpace(more).distribution("model.channels")
    assert all(trial.distributions["model.channels"] == channels for trial in known_to_the_sampler(ledger))
    after = run(ledger)
    assert {"[8, 16]", "[24, 48]"} <= {params["model.channels"] for params in after}
    stored = optuna.load_study(study_name="study", storage=url).trials
    assert [trial.params for trial in stored] == before + after
    assert [trial.params for trial in open_ledger(url, more).trials()] == before + after


def test_a_choice_that_is_gone_teaches_nothing_and_stays_in_the_ledger(url: str) -> None:
    before = run(open_ledger(url, SPACE))
    fewer = {**SPACE, "model.channels": ParameterConfig(choices=((32, 64), (8, 16)))}
    ledger = open_ledger(url, fewer)
    states = [trial.state.name for trial in known_to_the_sampler(ledger)]
    assert [state == "FAIL" for state in states] == [params["model.channels"] == "[16, 32]" for params in before]
    assert [trial.state for trial in ledger.trials()].count("FAIL") == 0
    assert all(params["model.channels"] != "[16, 32]" for params in run(ledger))


def test_a_parameter_that_joins_has_been_at_its_default(url: str) -> None:
    run(open_ledger(url, SPACE))
    larger = {**SPACE, "optimizer.learning_rate": ParameterConfig(low=1e-4, high=1e-2, log=True)}
    ledger = open_ledger(url, larger)
    rates = [trial.params["optimizer.learning_rate"] for trial in known_to_the_sampler(ledger)]
    assert rates == [TrialConfig().optimizer.learning_rate] * NUM_TRIALS
    assert "optimizer.learning_rate" in ledger.ask().params
    assert "optimizer.learning_rate" not in ledger.trials()[0].params


def test_a_parameter_that_leaves_lets_those_teach_that_had_its_value(url: str) -> None:
    before = run(open_ledger(url, SPACE))
    smaller = {path: parameter for path, parameter in SPACE.items() if path != "model.gru_size"}
    ledger = open_ledger(url, smaller, model={"gru_size": 48})
    taught = [trial.state.name != "FAIL" for trial in known_to_the_sampler(ledger)]
    assert taught == [params["model.gru_size"] == 48 for params in before]
    assert any(taught)


def test_trials_that_wait_go_on_as_they_were(url: str) -> None:
    ledger = open_ledger(url, SPACE)
    begun = [ledger.ask() for _ in range(6)]
    ledger.close()
    for space in (
        {**SPACE, "model.channels": ParameterConfig(choices=((8, 16), (16, 32)))},
        {**SPACE, "model.dropout": ParameterConfig(choices=(0.1, 0.2))},
    ):
        ledger = open_ledger(url, space)
        ledger.requeue_unfinished()
        again = [ledger.ask() for _ in range(6)]
        assert [(t.number, t.config, t.seed) for t in again] == [(t.number, t.config, t.seed) for t in begun]
        assert [trial.params for trial in ledger.trials()] == [trial.params for trial in begun]
        ledger.close()
    ledger = open_ledger(url, space)
    ledger.requeue_unfinished()
    run(ledger, 10)


def test_what_was_queued_loses_the_values_that_are_gone(url: str) -> None:
    ledger = open_ledger(url, SPACE)
    ledger.enqueue({"model.dropout": 0.25, "model.channels": "[16, 32]", "model.gru_size": 64})
    ledger.close()
    changed = {
        "model.dropout": ParameterConfig(low=0.2, high=0.3),
        "model.channels": ParameterConfig(choices=((8, 16),)),
    }
    queued = open_ledger(url, changed).ask()
    assert queued.params == {"model.dropout": 0.25, "model.channels": "[8, 16]"}


def test_a_resumed_study_of_an_unchanged_space_draws_as_if_it_had_never_stopped(url: str, tmp_path: Path) -> None:
    space = {**SPACE, "model.cnn_dropout": ParameterConfig(low=0.0, high=0.4, when={"model.gru_size": [48, 64]})}
    whole = run(open_ledger(f"sqlite:///{tmp_path}/whole.db", space))
    assert run(open_ledger(url, space), 7) + run(open_ledger(url, space), NUM_TRIALS - 7) == whole


def test_the_nearest_point_is_on_the_grid_and_leaves_out_what_the_space_lacks() -> None:
    space = SearchSpace(
        {
            "model.dropout": ParameterConfig(low=0.0, high=0.25),
            "model.gru_size": ParameterConfig(low=32, high=96, step=32),
            "model.channels": ParameterConfig(choices=((8, 16), (16, 32))),
            "model.pooling": ParameterConfig(choices=("mean", "max")),
            "model.attention_size": ParameterConfig(low=8, high=64, when={"model.kind": "cnn_conformer"}),
        }
    )
    config = TrialConfig.model_validate(
        {"model": {"dropout": 0.5, "gru_size": 70, "channels": [16, 32], "pooling": "attentive"}}
    )
    translation = Translation(space, TrialConfig())
    nearest = {"model.dropout": 0.25, "model.gru_size": 64, "model.channels": "[16, 32]"}
    assert translation.nearest(config) == nearest
    assert translation.exact(config) is None
