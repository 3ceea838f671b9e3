"""The base of every settings model, and the translation of pydantic's complaints into one readable error."""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cluster.errors import SpoofsweepError


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys; every subclass sits beside the code that it configures."""

    model_config = ConfigDict(extra="forbid", frozen=True)


SettingsT = TypeVar("SettingsT", bound=Settings)


def parse_settings(model: type[SettingsT], values: Mapping[str, Any], where: str = "settings") -> SettingsT:
    """Validate ``values`` as ``model``.

    Raises:
        SpoofsweepError: names every offending key with its value, and the nearest valid key of an unknown one.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_describe(model, problem) for problem in error.errors()]
        raise SpoofsweepError(
            f"{where}: " + "\n  ".join(problems), remedy="correct these keys and try again"
        ) from error


def _describe(model: type[BaseModel], problem: Any) -> str:
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        names = list(_fields_at(model, problem["loc"][:-1]))
        return f"unknown key '{path}' ({nearest(str(problem['loc'][-1]), names)})"
    return f"'{path}' = {problem['input']!r}: {problem['msg']}"


def nearest(name: str, names: list[str]) -> str:
    """A phrase that points from a misspelt ``name`` to the closest of ``names``, or lists them all."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else "valid keys: " + ", ".join(sorted(names))


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                model = annotation
    return list(model.model_fields)
