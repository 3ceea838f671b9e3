"""Who takes the place of a trial that is replaced: the weights of a better one, with parameters near to its own.

Source: Jaderberg et al. 2017, "Population Based Training of Neural Networks", section 4: explore by perturbing each
parameter by 1.2 or 0.8, or drawing it anew. Deviations: a choice among several stays or is drawn anew; a whole number
moves by one step at least.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from cluster.errors import SpoofsweepError
from data_prep.draws import generator
from search.ledger.ledger import Ledger
from search.pruning.population import Population
from search.pruning.pruner import Pruner
from search.sampling.cube import scale
from search.study.space import SearchSpace
from search.trials.trial_record import HEIR, TrialRecord
from trainable.checkpoints.lineage import Ancestor, may_change

_RESAMPLED = 0.25
"""Share of parameters that are drawn anew."""
_FACTORS = (0.8, 1.2)


class Succession:
    """Draws heirs, and puts them in line; those that an earlier driver drew but did not put there at once.

    Args:
        population: told where heirs begin.
        ledger: of the study.
        space: what an heir's parameters may be.
        seed: of the study; a draw is a function of it, of the trial that is replaced, and of the known trials.

    Raises:
        SpoofsweepError: nothing in the space may change within a lineage, or the space lacks a trial's configuration.
    """

    def __init__(self, population: Population, ledger: Ledger, space: SearchSpace, seed: int) -> None:
        self.population, self._ledger, self._space, self._seed = population, ledger, space, seed
        self._free = free_parameters(space)
        trials = ledger.trials()
        _require_all_within(ledger, trials)
        population.births |= {trial.number: trial.forked_at for trial in trials if trial.lineage}
        replaced = {trial.attributes.get("replaces") for trial in trials}
        for trial in trials:
            if trial.is_replaced and trial.number not in replaced:
                self.enqueue(trial.number, trial.attributes[HEIR])

    def draw(self, number: int, rung: int) -> dict[str, Any]:
        """The heir of a trial that gives up its place at ``rung``, as its attribute `HEIR` holds it."""
        parent = self._ledger.trial(self.population.donor(rung, number))
        rng = generator(self._seed, "heir", number, rung)
        params = {path: self._explored(path, value, rng) for path, value in sorted(parent.params.items())}
        return {"parent": parent.number, "until": parent.first_report(rung), "params": params}

    def enqueue(self, number: int, heir: Mapping[str, Any]) -> None:
        """Put the heir of trial ``number`` in line."""
        parent = self._ledger.trial(heir["parent"])
        ancestor = Ancestor(trial=parent.config, seed=parent.seed, until=heir["until"])
        lineage = [each.model_dump(mode="json") for each in (*parent.lineage, ancestor)]
        attributes = {"parent": parent.number, "replaces": number, "lineage": lineage}
        self.population.births[self._ledger.enqueue(heir["params"], **attributes)] = heir["until"]

    def _explored(self, path: str, value: Any, rng: np.random.Generator) -> Any:
        quantile, is_resampled = float(rng.random()), bool(rng.random() < _RESAMPLED)
        if path not in self._free:
            return value
        distribution = self._space.distribution(path)
        if is_resampled:
            return scale(quantile, distribution)
        return perturbed(value, _FACTORS[int(quantile < 0.5)], distribution)


def _require_all_within(ledger: Ledger, trials: Iterable[TrialRecord]) -> None:
    """What lies outside of a space that was changed has no parameters there that an heir could take over."""
    for trial in trials:
        is_drawn = "config" in trial.attributes and trial.state != "FAIL"
        if is_drawn and ledger.translation.exact(trial.config) is None:
            raise SpoofsweepError(
                "the [space] of a population must go on to hold the configurations of all its trials",
                f"without that of trial {trial.number}",
                "restore the [space], or widen it, or give the study a new name",
            )


def make_succession(pruner: Pruner, ledger: Ledger, space: SearchSpace, seed: int) -> Succession | None:
    """The succession of a study's population; none where trials are stopped for good."""
    return Succession(pruner, ledger, space, seed) if isinstance(pruner, Population) else None


def perturbed(value: Any, factor: float, distribution: BaseDistribution) -> Any:
    """A value near to another one, in the range of ``distribution``; a choice stays what it is."""
    if isinstance(distribution, CategoricalDistribution):
        return value
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise TypeError(f"no rule to perturb what {distribution!r} gives")
    low, high, step = distribution.low, distribution.high, distribution.step
    moved = value * factor
    if step is not None:
        num_steps = round((value - low) / step)
        moved_steps = round((moved - low) / step)
        if moved_steps == num_steps:
            moved_steps += 1 if factor > 1.0 else -1
        moved = low + step * moved_steps
    return type(low)(min(max(moved, low), high))


def free_parameters(space: SearchSpace) -> list[str]:
    """Parameters that may change within a lineage: neither held themselves, nor the condition of one that is.

    Raises:
        SpoofsweepError: there are none.
    """
    held = [path for path in space.parameters if not may_change(path)]
    conditions = {other for path in held for other in space.parameters[path].when or {}}
    free = [path for path in space.parameters if path not in held and path not in conditions]
    if not free:
        raise SpoofsweepError(
            "a population needs a parameter that may change in the middle of a training",
            f"[space] with {', '.join(space.parameters) or 'nothing'}, held fixed within a lineage",
            "search optimizer, loss, batch, spec_augment or dropout settings as well",
        )
    return free
