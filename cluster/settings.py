"""The base of every settings model, and the translation of pydantic's complaints into one readable error."""

import difflib
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

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
        problems = [_describe(model, problem) for problem in _told_once(error.errors())]
        raise SpoofsweepError(
            f"{where}: " + "\n  ".join(problems), remedy="correct these keys and try again"
        ) from error


def _told_once(problems: Sequence[Any]) -> list[Any]:
    """Without the complaint that a sequence is too short which pydantic adds where an item of it is wrong."""
    above = {problem["loc"][:depth] for problem in problems for depth in range(len(problem["loc"]))}
    return [problem for problem in problems if problem["type"] != "too_short" or problem["loc"] not in above]


def _describe(model: type[BaseModel], problem: Any) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][-1])
        elsewhere = [f"'{found}'" for found in _paths(model) if found.split(".")[-1] == key]
        if elsewhere:  # a section mistaken for another
            return f"unknown key '{path}' (did you mean {' or '.join(elsewhere)}?)"
        return f"unknown key '{path}' ({nearest(key, _fields_of(_annotation_at(model, problem['loc'][:-1])))})"
    if problem["type"] == "union_tag_invalid":
        discriminator, tag = problem["ctx"]["discriminator"].strip("'"), problem["ctx"]["tag"]
        tags = _tags_of(_annotation_at(model, problem["loc"]))
        return f"unknown value '{path}.{discriminator}' = '{tag}' ({nearest(tag, tags, 'values')})"
    if problem["type"] == "value_error" and isinstance(problem["input"], Mapping):
        # A rule about several keys: its message names them, the whole section would bury it.
        return f"{path}: {message}".removeprefix(": ")
    return f"'{path}' = {problem['input']!r}: {message}"


def nearest(name: str, names: Sequence[str], what: str = "keys") -> str:
    """A phrase that points from a misspelt ``name`` to the closest of ``names``, or lists them all."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"valid {what}: " + ", ".join(sorted(names))


def _annotation_at(annotation: Any, path: Sequence[int | str]) -> Any:
    """The annotation of what stands at ``path``, as pydantic reports it, inside a value of type ``annotation``."""
    annotation = _plain(annotation)
    if not path:
        return annotation
    part, rest = path[0], path[1:]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _annotation_at(annotation.model_fields[str(part)].annotation, rest)
    if get_origin(annotation) in (Union, UnionType):  # told apart by a tag, which pydantic puts into the path
        member = next(member for member in get_args(annotation) if part in _tags_of(member))
        return _annotation_at(member, rest)
    items = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    # Of a mapping the values; of a tuple with types of its own for each place that place, else the one for all.
    item = items[part] if isinstance(part, int) and part < len(items) else items[-1]
    return _annotation_at(item, rest)


def _plain(annotation: Any) -> Any:
    """``annotation`` without ``Annotated``, and without the ``None`` of an optional value."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return _plain(members[0]) if len(members) == 1 else annotation
    return annotation


def _fields_of(annotation: Any) -> list[str]:
    return list(annotation.model_fields) if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def _paths(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Dotted paths of the fields of a model and of the sections in it."""
    paths: list[str] = []
    for name in model.model_fields:
        annotation = _annotation_at(model, [name])
        is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        paths += _paths(annotation, f"{prefix}{name}.") if is_section else [prefix + name]
    return paths


def _tags_of(annotation: Any) -> list[str]:
    """Constant fields of a model, or of all models of a union: what tells them apart."""
    if get_origin(annotation) in (Union, UnionType):
        return [tag for member in get_args(annotation) for tag in _tags_of(_plain(member))]
    return [
        str(value)
        for name in _fields_of(annotation)
        if get_origin(field := annotation.model_fields[name].annotation) is Literal and len(get_args(field)) == 1
        for value in get_args(field)
    ]
