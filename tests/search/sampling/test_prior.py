"""The prior: near what is likely, in the scale of the range; fewer and fewer draws; none once it misleads."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from cluster.errors import SpoofsweepError
from search.sampling.prior import PriorTurns, near
from search.sampling.sampler import make_sampler
from search.study.config import ParameterConfig, SearchConfig
from search.study.shipped import SHIPPED
from search.study.space import SearchSpace
from search.study.study import load_study
from trainable.config import TrialConfig

SPACE = SearchSpace(
    {
        "optimizer.learning_rate": ParameterConfig(low=1e-5, high=1e-1, log=True, likely=3e-4),
        "model.dropout": ParameterConfig(low=0.0, high=0.8),
        "model.channels": ParameterConfig(choices=((8, 16), (16, 32), (32, 64)), likely=(16, 32)),
    }
)
UNIFORMS = np.linspace(0.0, 1.0, 1001)


def run(num_trials: int, optimum: float, sampler: str = "tpe", restart: int | None = None) -> list[dict[str, Any]]:
    """Parameters of a study whose best learning rate is ``optimum``."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config = SearchConfig(sampler=sampler, startup_trials=12)
    study = optuna.create_study(sampler=make_sampler(config, 5, SPACE))
    for number in range(num_trials):
        if number == restart:
            study.sampler = make_sampler(config, 5, SPACE)
        trial = study.ask()
        point = SPACE.suggest(trial, TrialConfig())
        study.tell(trial, abs(math.log10(point["optimizer.learning_rate"] / optimum)))
    return [trial.params for trial in study.trials]


def turns(number: int) -> list[int]:
    """Trials that the prior may draw, of so many."""
    prior = PriorTurns(0.5, 5 + 2, 12)
    return [n for n in range(number) if prior.has_turn(n)]


def test_the_density_is_centred_in_the_scale_of_the_range() -> None:
    rates = [near(3e-4, u, FloatDistribution(1e-5, 1e-1, log=True)) for u in UNIFORMS]
    assert min(rates) == pytest.approx(1e-5)
    assert max(rates) == pytest.approx(1e-1)
    assert math.log10(np.median(rates)) == pytest.approx(math.log10(3e-4), abs=0.1)
    assert np.mean([1e-4 < rate < 1e-3 for rate in rates]) > 0.4  # a quarter of the decades
    edge = [near(0.8, u, FloatDistribution(0.0, 0.8)) for u in UNIFORMS]
    assert max(edge) == pytest.approx(0.8)
    assert np.median(edge) > 0.65
    assert {near(3, u, IntDistribution(1, 4)) for u in UNIFORMS} == {1, 2, 3, 4}


def test_half_of_the_weight_is_on_the_likely_choice() -> None:
    drawn = [near("b", u, CategoricalDistribution(["a", "b", "c"])) for u in UNIFORMS]
    shares = [np.mean([choice == name for choice in drawn]) for name in "abc"]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.01)
    assert near("a", 0.9, CategoricalDistribution(["a"])) == "a"


def test_turns_grow_rare() -> None:
    drawn = turns(1000)
    assert 5 <= sum(n < 20 for n in drawn) <= 11
    assert sum(n < 1000 for n in drawn) < 60
    assert PriorTurns(0.0, 1, 10).has_turn(0) is False


@pytest.mark.parametrize("sampler", ["tpe", "qmc", "random"])
def test_a_good_prior_draws_on_and_a_misleading_one_stops(sampler: str) -> None:
    """A turn of the prior is a draw that does not depend on what was found before."""
    good, better, bad = run(60, 3e-4, sampler), run(60, 2e-4, sampler), run(60, 9e-2, sampler)
    later = [n for n in turns(60) if n >= 12]
    assert [good[n] for n in turns(60)] == [better[n] for n in turns(60)]
    assert [good[n] for n in turns(12)] == [bad[n] for n in turns(12)]
    assert not any(good[n] == bad[n] for n in later)
    near_likely = [1e-4 < trial["optimizer.learning_rate"] < 1e-3 for trial in bad[12:]]
    assert np.mean(near_likely) <= 0.4


def test_draws_are_the_same_after_a_restart() -> None:
    assert run(24, 3e-4, restart=15) == run(24, 3e-4)
    assert len({str(trial) for trial in run(24, 3e-4)}) == 24


def test_without_likely_values_nothing_changes() -> None:
    plain = SearchSpace({"model.dropout": ParameterConfig(low=0.0, high=0.8)})

    def drawn(share: float) -> list[dict[str, Any]]:
        study = optuna.create_study(sampler=make_sampler(SearchConfig(prior_share=share), 1, plain))
        for _ in range(12):
            trial = study.ask()
            study.tell(trial, plain.suggest(trial, TrialConfig())["model.dropout"])
        return [trial.params for trial in study.trials]

    assert drawn(0.9) == drawn(0.0)


def test_what_is_likely_must_lie_in_the_space() -> None:
    space = SearchSpace({"model.dropout": ParameterConfig(low=0.0, high=0.5, likely=0.7)})
    with pytest.raises(SpoofsweepError, match=r"'model.dropout': what is likely .* got 0.7"):
        space.check(TrialConfig())


@pytest.mark.parametrize("path", [SHIPPED / "asvspoof2019-la.toml", SHIPPED / "asvspoof5.toml"], ids=lambda p: p.stem)
def test_shipped_studies_bring_a_prior(path: Path) -> None:
    config = load_study(path).config
    space = SearchSpace(config.space)
    space.check(config.trial)
    assert space.likely()["loss.bonafide_weight"] == 0.9
