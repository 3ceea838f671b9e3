"""What all steps of an augmentation policy have in common."""

from typing import Annotated

from pydantic import AfterValidator, Field

from cluster.settings import Settings


def _ordered(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError("the first number of a range must not exceed the second")
    return span


def _positive(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] <= 0:
        raise ValueError("the numbers of this range must be above 0")
    return span


def _not_negative(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] < 0:
        raise ValueError("the numbers of this range must not be negative")
    return span


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""Closed interval ``[low, high]``, drawn from uniformly."""
NonNegativeRange = Annotated[Range, AfterValidator(_not_negative)]
PositiveRange = Annotated[Range, AfterValidator(_positive)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Step(Settings):
    """One link of a policy's chain; the field ``kind`` of a subclass names it in study files."""

    probability: Share = 1.0
    """Chance that the step is applied to a view."""

    @property
    def shortest(self) -> float:
        """The smallest factor by which the step can change the length of a wave, at most 1."""
        return 1.0
