"""Ray's own AsyncHyperBandScheduler and OptunaSearch, driven in virtual time as Ray Tune's controller drives them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from search.pruning.pruner import Decision
from search.study.space import SearchSpace
from search.trials.seeds import trial_seed
from search.trials.trial_record import TrialRecord


@dataclass
class _Trial:
    """What the scheduler asks of Ray's trial."""

    trial_id: str
    last_result: dict[str, Any] = field(default_factory=dict)


class StockSweep:
    """Hands out OptunaSearch's trials and stops them by ASHA, both with Ray's defaults but for what is given.

    The calls and their order are those of ``ray.tune.execution.tune_controller`` (Ray 2.60): a report goes to the
    scheduler, and to the searcher unless the trial is to be stopped; of a trial that is over, stopped or finished,
    first the scheduler and then the searcher is told the last result, which the searcher tells Optuna as COMPLETE.

    Args:
        space: what is searched; without conditions, as OptunaSearch's plain form has none.
        num_trials: handed out at most.
        num_reports: of a full training.
        grace_period: reports before the first decision.
        reduction_factor: eta.
        seed: of the searcher, and of the trials.
    """

    def __init__(
        self,
        space: SearchSpace,
        num_trials: int,
        num_reports: int,
        grace_period: int,
        reduction_factor: int,
        seed: int,
    ) -> None:
        if any(parameter.when for parameter in space.parameters.values()):
            raise ValueError("a space with conditions has no plain form for OptunaSearch")
        distributions = {path: space.distribution(path) for path in space.parameters}
        self._searcher = OptunaSearch(space=distributions, metric="dev_eer", mode="min", seed=seed)
        self._scheduler = AsyncHyperBandScheduler(
            metric="dev_eer",
            mode="min",
            max_t=num_reports,
            grace_period=grace_period,
            reduction_factor=reduction_factor,
        )
        self._num_trials, self._seed = num_trials, seed
        self._trials: dict[str, _Trial] = {}
        self._num_begun = 0

    def next_trial(self, key: str) -> TrialRecord | None:
        if self._num_begun >= self._num_trials:
            return None
        params = self._searcher.suggest(key)
        self._trials[key] = _Trial(key)
        self._scheduler.on_trial_add(None, self._trials[key])  # type: ignore[arg-type]
        number = self._num_begun
        self._num_begun += 1
        return TrialRecord(number, "RUNNING", params, {}, None, {"seed": trial_seed(self._seed, number)})

    def report(self, key: str, samples_seen: int, metrics: Mapping[str, float], final: bool) -> Decision:
        trial = self._trials[key]
        iteration = trial.last_result.get("training_iteration", 0) + 1
        trial.last_result = {"training_iteration": iteration, "dev_eer": metrics["dev_eer"]}
        decision = TrialScheduler.STOP
        if not final:
            decision = self._scheduler.on_trial_result(None, trial, trial.last_result)  # type: ignore[arg-type]
            if decision == TrialScheduler.CONTINUE:
                self._searcher.on_trial_result(key, trial.last_result)
        if decision == TrialScheduler.CONTINUE:
            return Decision.CONTINUE
        self._scheduler.on_trial_complete(None, trial, trial.last_result)  # type: ignore[arg-type]
        self._searcher.on_trial_complete(key, trial.last_result)
        del self._trials[key]
        return Decision.STOP
