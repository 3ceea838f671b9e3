"""Fields of a trial by their dotted paths: kinds, values, and ranges over them."""

import math
import types
import typing
from typing import Any, Literal

from cluster.errors import SpoofsweepError
from search.study.config import ParameterConfig
from trainable.config import TrialConfig


def _annotation(path: str) -> Any:
    model: Any = TrialConfig
    for part in path.split("."):
        model = model.model_fields[part].annotation
    return model


def is_integer(path: str) -> bool:
    annotation = _annotation(path)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = next(part for part in typing.get_args(annotation) if part is not type(None))
    if typing.get_origin(annotation) is Literal:
        return all(type(value) is int for value in typing.get_args(annotation))
    return annotation is int


def bounds(path: str, parameter: ParameterConfig) -> tuple[float, float]:
    """Low and high of a well-formed range.

    Raises:
        SpoofsweepError: a bound is missing, beyond the other, or not whole for an integer; log and step together; a
            ragged step.
    """
    low, high, step = parameter.low, parameter.high, parameter.step
    problem = None
    if low is None or high is None:
        problem = "needs either `choices`, or both `low` and `high`"
    elif low > high:
        problem = f"has low {low} above high {high}"
    elif parameter.log and (low <= 0 or step is not None):
        problem = "is logarithmic, so its low must be positive and it takes no step"
    elif is_integer(path) and any(bound != int(bound) for bound in (low, high, step or 1)):
        problem = "is an integer, so its bounds and step must be whole"
    elif step is not None and (
        step <= 0 or not math.isclose((high - low) / step, round((high - low) / step), abs_tol=1e-9)
    ):
        problem = f"has a step {step} that does not divide its range {low} to {high}"
    if problem is not None or low is None or high is None:
        raise SpoofsweepError(f"[space] '{path}' {problem}", remedy="correct the study's [space]")
    return low, high


def value_at(config: TrialConfig, path: str) -> Any:
    value: Any = config
    for part in path.split("."):
        value = getattr(value, part)
    return value
