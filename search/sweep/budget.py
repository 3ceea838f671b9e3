"""What a study has spent, over all its sweeps, and whether that or its result is enough."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from search.study.config import BudgetConfig
from search.trials.trial_record import TrialRecord

_SAVE_INTERVAL_S = 30.0
_HOUR_S = 3600.0


@dataclass(frozen=True)
class Spent:
    """Seconds of a study's sweeps so far."""

    wall_s: float = 0.0
    """While a driver ran."""
    gpu_s: float = 0.0
    """Of GPUs, where a trial that shares one counts for its share."""
    cost: float = 0.0
    """In the currency of the study's prices."""


class Budget:
    """A conductor's listener that ends the study when enough was spent, or found.

    Args:
        config: what is enough.
        gpus_per_trial: GPUs of one trial, or its share of one.
        price_of_hour: of all machines that run now; asked about twice a minute.
        spent: by earlier sweeps.
        trials: of earlier sweeps.
        end: is told why the study is to end.
        save: keeps what is spent; called about twice a minute.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        config: BudgetConfig,
        gpus_per_trial: float,
        price_of_hour: Callable[[], float],
        spent: Spent,
        trials: Iterable[TrialRecord],
        end: Callable[[str], None],
        save: Callable[[Spent], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._gpus_per_trial, self._price_of_hour = config, gpus_per_trial, price_of_hour
        self._before, self._end, self._save, self._clock = spent, end, save, clock
        self._start_s = self._saved_s = self._priced_s = clock()
        self._price, self._cost = price_of_hour(), spent.cost
        self._begun: dict[int, tuple[float, float]] = {}
        """When each trial that runs began, and its GPUs."""
        self._ended_gpu_s = 0.0
        self._best = min((trial for trial in trials if trial.converged), key=_value, default=None)

    @property
    def spent(self) -> Spent:
        """Up to now."""
        now = self._clock()
        running_s = sum((now - begun) * gpus for begun, gpus in self._begun.values())
        gpu_s = self._before.gpu_s + self._ended_gpu_s + running_s
        cost = self._cost + (now - self._priced_s) / _HOUR_S * self._price
        return Spent(self._before.wall_s + now - self._start_s, gpu_s, cost)

    def trial_started(self, trial: TrialRecord) -> None:
        gpus = max(1.0, self._gpus_per_trial) if trial.attributes.get("alone") else self._gpus_per_trial
        self._begun[trial.number] = (self._clock(), gpus)

    def trial_reported(self, trial: TrialRecord) -> None:
        self.check()

    def tick(self) -> None:
        """Called now and then."""
        if self._clock() - self._saved_s >= _SAVE_INTERVAL_S:
            self.close()
            self._ask_price()
            self.check()

    def trial_ended(self, trial: TrialRecord) -> None:
        begun = self._begun.pop(trial.number, None)
        if begun is not None:
            self._ended_gpu_s += (self._clock() - begun[0]) * begun[1]
        if trial.converged and (self._best is None or _value(trial) < _value(self._best)):
            self._best = trial
        self.check()

    def close(self) -> None:
        """Keep what is spent so far."""
        self._saved_s = self._clock()
        self._save(self.spent)

    def check(self) -> None:
        """Whether enough was spent, or found."""
        target = self._config.target_eer
        if target is not None and self._best is not None and _value(self._best) <= target:
            self._end(f"trial {self._best.number} reached {_value(self._best):.4f}, budget.target_eer is {target:g}")
        spent, config = self.spent, self._config
        hours, gpu_hours = spent.wall_s / _HOUR_S, spent.gpu_s / _HOUR_S
        for name, limit, used in (
            ("max_hours", config.max_hours, hours),
            ("max_gpu_hours", config.max_gpu_hours, gpu_hours),
            ("max_cost", config.max_cost, spent.cost),
        ):
            if limit is not None and used >= limit:
                self._end(f"{used:.3g} were spent, budget.{name} is {limit:g}")

    def _ask_price(self) -> None:
        """Machines may have come or gone."""
        self._cost, self._priced_s = self.spent.cost, self._clock()
        self._price = self._price_of_hour()


def _value(trial: TrialRecord) -> float:
    return math.inf if trial.value is None else trial.value
