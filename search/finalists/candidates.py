"""Which configurations are trained again after a sweep, and with which seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cluster.errors import SpoofsweepError
from search.ledger.leaderboard import eer_of
from search.study.config import FinalistsConfig
from search.study.objective import EER, Objective, Second
from search.trials.pareto import pareto_front, spread
from search.trials.seeds import finalist_seed
from search.trials.trial_record import PRUNE_RUNG, TrialRecord
from trainable.checkpoints.lineage import Lineage
from trainable.config import TrialConfig
from trainable.data.hold_out import Folds


@dataclass(frozen=True)
class Candidate:
    """A configuration to be trained again with one seed."""

    rank: int
    """Place of the configuration in the sweep, from 1."""
    trial_number: int
    seed_index: int
    """From 1."""
    seed: int
    config: TrialConfig
    params: dict[str, Any]
    """What the sweep sampled of it, by dotted path."""
    folds: Folds = ()
    """The attacks that the sweep's models did without."""
    fold_eer: float | None = None
    """Validation EER in the sweep, the mean over the folds; none without folds."""
    fold_value: float | None = None
    """What the study minimises, in the sweep; none without folds."""
    objective: Objective = EER
    """What the study minimises."""
    lineage: Lineage = ()
    """The schedule up to ``config``: what is trained before it, and how far, all with the same ``seed``."""

    @property
    def held_out(self) -> tuple[str, ...]:
        """The attacks that this training does without: those of a hold-out, none of folds."""
        return self.folds[0] if len(self.folds) == 1 else ()

    @property
    def name(self) -> str:
        """The same after the study grew and the ranks changed."""
        return f"{self.trial_number:05d}-{self.seed_index}"


def select(
    trials: Sequence[TrialRecord],
    config: FinalistsConfig,
    study_seed: int,
    folds: Folds = (),
    objective: Objective = EER,
    second: Second | None = None,
    stopped_too: bool = False,
) -> list[Candidate]:
    """The best distinct configurations that were trained to the end, each with its seeds.

    Args:
        folds: the attacks that the trials' models did without.
        objective: what the trials' values are.
        second: what is minimised besides: configurations are then spread over the Pareto front, and where it has fewer
            than are wanted, the best others follow.
        stopped_too: take trials that a rung stopped as well, after all that came further.

    Raises:
        SpoofsweepError: no trial came to its end without diverging.
    """
    distinct: list[TrialRecord] = []
    eligible = [trial for trial in trials if trial.converged or (stopped_too and _was_stopped(trial))]
    for trial in sorted(eligible, key=_order):
        if all(_schedule(trial) != _schedule(other) for other in distinct):
            distinct.append(trial)
    if not distinct:
        num_complete = sum(trial.state == "COMPLETE" for trial in trials)
        raise SpoofsweepError(
            "a finalist must be a trial that was completed without diverging",
            f"none of {len(trials)} ({num_complete} completed, all diverged)"
            if num_complete
            else f"none of {len(trials)}",
            "raise search.num_trials, lower the learning rates of the space, or look at the sweep's log",
        )
    return [
        Candidate(
            rank=rank,
            trial_number=trial.number,
            seed_index=index,
            seed=seed,
            config=trial.config,
            params=trial.params,
            folds=folds,
            fold_eer=eer_of(trial, objective) if len(folds) > 1 else None,
            fold_value=trial.last_value if len(folds) > 1 else None,
            objective=objective,
            lineage=tuple(a.model_copy(update={"seed": seed}) for a in trial.lineage),
        )
        for rank, trial in enumerate(_chosen(distinct, config.num_configs, second), 1)
        for index in range(1, config.num_seeds + 1)
        for seed in [finalist_seed(study_seed, trial.number, index)]
    ]


def _schedule(trial: TrialRecord) -> tuple[TrialConfig | int, ...]:
    """What it was trained with, one after the other."""
    return *(part for ancestor in trial.lineage for part in (ancestor.trial, ancestor.until)), trial.config


def _was_stopped(trial: TrialRecord) -> bool:
    return trial.state == "PRUNED" and trial.attributes.get(PRUNE_RUNG) is not None and math.isfinite(_value(trial))


def _order(trial: TrialRecord) -> tuple[float, float, int]:
    """From the best on: the further a trial came, the more its value says."""
    return -trial.attributes.get(PRUNE_RUNG, math.inf), _value(trial), trial.number


def _value(trial: TrialRecord) -> float:
    value = trial.last_value
    return math.inf if value is None else value


def _chosen(distinct: Sequence[TrialRecord], count: int, second: Second | None) -> list[TrialRecord]:
    """Of trials in their order, the ones whose configurations are trained again, in that order."""
    if second is None:
        return list(distinct[:count])
    front = {trial.number for trial in spread(pareto_front(distinct, second), second, count)}
    others = [trial.number for trial in distinct if trial.number not in front][: count - len(front)]
    return [trial for trial in distinct if trial.number in front or trial.number in others]
