"""What a study may not change once it has begun: its data, what is fixed of its trials, and the kind of its space."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import check_distribution_compatibility
from optuna.study import Study

from cluster.errors import SpoofsweepError
from search.objective import EER
from search.space import SearchSpace, leaves
from trainable.config import TrialConfig

_FACTS = {
    "shard_set_id": "shards",
    "held_out": "held-out attacks",
    "objective": "search.objective",
    "second_objective": "search.second_objective",
    "defaults": "trial settings",
}


def claim(study: Study, facts: Mapping[str, Any]) -> None:
    """Store what must never change in a study, or compare with what is stored.

    Args:
        study: the Optuna study.
        facts: ``shard_set_id``, ``held_out``, ``objective``, ``second_objective`` and ``defaults`` (settings of a trial
            that are not searched).

    Raises:
        SpoofsweepError: the study began with other facts.
    """
    known = study.user_attrs
    if known:  # perhaps of before there was a choice
        known.setdefault("objective", EER.name)
        known.setdefault("second_objective", "")
    for name, value in facts.items():
        if name not in known:
            study.set_user_attr(name, value)
        elif _difference(known[name], value):
            raise SpoofsweepError(
                f"study '{study.study_name}' must go on with the {_FACTS[name]} it began with",
                _difference(known[name], value),
                "give the study a new name, or restore what was changed",
            )


def fixed_defaults(space: SearchSpace, defaults: TrialConfig) -> dict[str, Any]:
    """Settings of a trial that are not searched, by dotted path."""
    values = leaves(defaults.model_dump(mode="json"))
    return {path: value for path, value in values if path not in space.parameters}


def require_compatible_space(study: Study, space: SearchSpace) -> None:
    """Make sure that the sampler can learn from a study's earlier trials.

    A range may grow or shrink; Optuna cannot compare other choices, or a logarithm with none.

    Raises:
        SpoofsweepError: it cannot.
    """
    for trial in study.get_trials(deepcopy=False):
        for path, known in trial.distributions.items():
            if path in space.parameters:
                try:
                    check_distribution_compatibility(known, space.distribution(path))
                except ValueError as error:
                    raise SpoofsweepError(
                        f"[space] '{path}' of study '{study.study_name}' must go on as it began",
                        str(space.distribution(path)),
                        f"give the study a new name, or restore {known}",
                    ) from error


def _difference(known: Any, value: Any) -> str:
    """What changed, in words; empty if nothing did. Settings that moved into or out of the space may."""
    if not isinstance(known, dict):
        return "" if known == value else f"{value or 'none'} after {known or 'none'}"
    changed = [name for name in known if name in value and known[name] != value[name]]
    return ", ".join(f"{name} = {value[name]!r} after {known[name]!r}" for name in changed)
