"""What is written about a trial at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import TrialState


@dataclass(frozen=True)
class TrialChanges:
    """All of it, or nothing."""

    attributes: Mapping[str, Any] = field(default_factory=dict)
    """JSON values, by name."""
    params: Mapping[str, tuple[Any, BaseDistribution]] = field(default_factory=dict)
    """Values as Optuna holds them, and what they were drawn from."""
    reports: Mapping[int, float] = field(default_factory=dict)
    """Values by samples seen."""
    state: TrialState | None = None
    value: float | None = None
    """The final one."""
