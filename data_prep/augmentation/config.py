"""Settings of the augmented views: policies by name, each a chain of steps."""

import math
import re

from pydantic import Field, field_validator

from cluster.settings import Settings
from data_prep.augmentation.steps import AnyStep, BandStep

CLEAN = "clean"
"""What the index calls the policy of view 0."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


class Policy(Settings):
    """A chain of steps, applied in the order written."""

    views: int = Field(default=1, ge=1, le=32)
    """Augmented views of each training utterance."""
    steps: tuple[AnyStep, ...] = Field(min_length=1)
    """Each applied with its own probability."""

    @property
    def shortest(self) -> float:
        """The smallest factor by which a view can differ in length from the utterance."""
        return math.prod(step.shortest for step in self.steps if step.probability > 0)


class AugmentationConfig(Settings):
    """Augmented views of the training utterances; view 0 is always the clean one."""

    policies: dict[str, Policy] = Field(default_factory=dict)
    """Chains by the name under which a trial picks their views; views are numbered in the order written."""

    @field_validator("policies")
    @classmethod
    def _names(cls, policies: dict[str, Policy]) -> dict[str, Policy]:
        for name in policies:
            if name == CLEAN:
                raise ValueError(f"'{CLEAN}' is the name of the view without augmentation")
            if not _NAME.fullmatch(name):
                raise ValueError(f"the name '{name}' must consist of letters, digits and _ . + -")
        return policies

    @property
    def num_views(self) -> int:
        """Augmented views of each training utterance, all policies together."""
        return sum(policy.views for policy in self.policies.values())

    @property
    def shortest(self) -> float:
        """The smallest factor by which any view can differ in length from its utterance, at most 1."""
        return min((policy.shortest for policy in self.policies.values()), default=1.0)

    def check_rate(self, sample_rate: int) -> None:
        """Raises ValueError where a band would lie above half the sampling rate, and its step change nothing."""
        for name, policy in self.policies.items():
            for step in policy.steps:
                if isinstance(step, BandStep) and step.low_hz[1] >= sample_rate / 2:
                    raise ValueError(
                        f"augmentation.policies.{name}: low_hz {list(step.low_hz)} of the step 'band' must end below "
                        f"half of features.sample_rate {sample_rate}"
                    )

    def policy_of(self, view: int) -> str:
        """Name of the policy that makes view number ``view``, from 1 to ``num_views``."""
        names = [name for name, policy in self.policies.items() for _ in range(policy.views)]
        return names[view - 1]
