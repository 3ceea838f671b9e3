"""What a study may not change once it has begun: its data, and what is fixed of its trials."""

from collections.abc import Mapping
from typing import Any

from optuna.study import Study

from cluster.errors import SpoofsweepError
from search.study.objective import EER
from search.study.space import SearchSpace, leaves
from trainable.config import TrialConfig

_FACTS = {
    "shard_set_id": "shards",
    "held_out": "held-out attacks",
    "objective": "search.objective",
    "second_objective": "search.second_objective",
    "defaults": "trial settings",
}

_BEFORE = {"objective": EER.name, "second_objective": ""}
"""What a study had that began before there was a choice."""


def comparable(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Of a study's attributes, what another must have alike for a trial of the one to mean the same in the other."""
    known = {**_BEFORE, **attributes}
    return {name: known.get(name) for name in _FACTS if name != "defaults"}


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
    if known:
        known = {**_BEFORE, **known}
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


def _difference(known: Any, value: Any) -> str:
    """What changed, in words; empty if nothing did. Settings that moved into or out of the space may."""
    if not isinstance(known, dict):
        return "" if known == value else f"{value or 'none'} after {known or 'none'}"
    changed = [name for name in known if name in value and known[name] != value[name]]
    return ", ".join(f"{name} = {value[name]!r} after {known[name]!r}" for name in changed)
