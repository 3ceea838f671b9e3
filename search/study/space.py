"""The search space: which fields of a trial vary, within which values, and under which conditions."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial
from pydantic import BaseModel

from cluster.errors import SpoofsweepError
from cluster.settings import nearest, parse_settings
from search.study.config import ParameterConfig
from search.study.trial_fields import bounds, is_integer, value_at
from trainable.config import TrialConfig

_NUM_PROBES = 64
_OF_THE_STUDY = ("budget_passes", "report_passes")
"""Every trial's alike: the rungs, at which trials are compared, follow from them."""


class SearchSpace:
    """Parameters by the dotted path of the ``TrialConfig`` field that each one sets.

    An integer field is sampled as integers, any other range as floats. Lists among ``choices`` are held by Optuna as
    JSON text. A parameter with ``when`` exists in a trial only if every named path has (one of) the given values in
    that trial's configuration, be that path another parameter or a plain field of ``[trial]``.
    """

    def __init__(self, parameters: Mapping[str, ParameterConfig]) -> None:
        """
        Raises:
            SpoofsweepError: a path is no field of a trial, or one that all trials share, or conditions form a cycle.
        """
        for path, parameter in parameters.items():
            for name in (path, *(parameter.when or {})):
                _require_field(name, path)
            if path in _OF_THE_STUDY:
                raise SpoofsweepError("[space] may not vary what all trials share", f"'{path}'", "set it in [trial]")
        self.parameters = {path: parameters[path] for path in _parents_first(parameters)}
        self._codecs = {
            path: {_encode(choice): choice for choice in parameter.choices or ()}
            for path, parameter in self.parameters.items()
        }

    def check(self, defaults: TrialConfig) -> list[str]:
        """Prove every bound, every choice and a sample of their combinations by making the trial configuration.

        Returns:
            Notes for the user: parameters that no trial can have, and those whose default lies outside of the space,
            which the first trial draws.

        Raises:
            SpoofsweepError: a range is not well formed, or a value is not allowed in a trial.
        """
        for path, parameter in self.parameters.items():
            if parameter.likely is not None and not self.contains(path, parameter.likely):
                raise SpoofsweepError(
                    f"[space] '{path}': what is likely must be one of its values",
                    repr(parameter.likely),
                    "correct `likely`, or widen the [space]",
                )
            values = parameter.choices if parameter.choices is not None else bounds(path, parameter)
            for value in values:
                self._prove(defaults, {**self._enabling(path), path: value}, f"[space] '{path}' = {value!r}")
        rng = np.random.default_rng(0)
        for _ in range(_NUM_PROBES if self.parameters else 0):
            point: dict[str, Any] = {}
            for path in self.parameters:
                if self.active(path, defaults, point):
                    point[path] = self._draw(path, rng)
            self._prove(defaults, point, f"[space] the combination {point}")
        inside = self.defaults(defaults)
        never = [path for path in self.parameters if not self._can_exist(path, defaults)]
        return [f"[space] '{path}' is in no trial: what it asks for in `when` never comes about" for path in never] + [
            f"'{path}' = {value_at(defaults, path)!r} in [trial] lies outside of its [space]: the first trial draws it"
            for path in self.parameters
            if self.active(path, defaults, {}) and path not in inside
        ]

    def suggest(self, trial: Trial, defaults: TrialConfig) -> dict[str, Any]:
        """Draw every active parameter of ``trial`` from Optuna; values as ``TrialConfig`` takes them."""
        point: dict[str, Any] = {}
        for path in self.parameters:
            if self.active(path, defaults, point):
                point[path] = self._suggest(path, trial)
        return point

    def distribution(self, path: str) -> BaseDistribution:
        """Optuna's description of a parameter."""
        parameter = self.parameters[path]
        if parameter.choices is not None:
            return CategoricalDistribution(list(self._codecs[path]))
        low, high = bounds(path, parameter)
        if is_integer(path):
            return IntDistribution(int(low), int(high), parameter.log, int(parameter.step or 1))
        return FloatDistribution(float(low), float(high), parameter.log, parameter.step)

    def unconditional(self) -> dict[str, BaseDistribution]:
        """Optuna's descriptions of the parameters that every trial has."""
        return {path: self.distribution(path) for path, parameter in self.parameters.items() if not parameter.when}

    def likely(self) -> dict[str, Any]:
        """The values that the study calls likely, as Optuna holds them."""
        return {path: _encode(p.likely) for path, p in self.parameters.items() if p.likely is not None}

    def defaults(self, defaults: TrialConfig) -> dict[str, Any]:
        """The study's own configuration, for Optuna to enqueue: active parameters whose default lies in the space."""
        return {
            path: _encode(value_at(defaults, path))
            for path in self.parameters
            if self.active(path, defaults, {}) and self.contains(path, value_at(defaults, path))
        }

    def apply(self, defaults: TrialConfig, params: Mapping[str, Any]) -> TrialConfig:
        """``defaults`` with ``params`` set, values as ``suggest`` returns them or as Optuna's storage holds them.

        Raises:
            SpoofsweepError: the configuration is not valid.
        """
        values = defaults.model_dump()
        for path, value in params.items():
            *parents, leaf = path.split(".")
            section = values
            for parent in parents:
                section = section[parent]
            section[leaf] = self.decode(path, value)
        return parse_settings(TrialConfig, values, "trial")

    def decode(self, path: str, value: Any) -> Any:
        """A parameter's value from what Optuna holds (JSON text of a list becomes the list)."""
        return self._codecs.get(path, {}).get(value, value) if isinstance(value, str) else value

    def decoded(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters as ``TrialConfig`` takes them, from what Optuna holds."""
        return {path: self.decode(path, value) for path, value in params.items()}

    def held(self, path: str, value: Any) -> Any:
        """One of the parameter's values as Optuna holds it."""
        distribution = self.distribution(path)
        if isinstance(distribution, CategoricalDistribution):
            return next(choice for choice in distribution.choices if _plain(self.decode(path, choice)) == _plain(value))
        return float(value) if isinstance(distribution, FloatDistribution) else int(value)

    def contains(self, path: str, value: Any) -> bool:
        """Whether a value, as ``TrialConfig`` has it, is one of the parameter's."""
        parameter = self.parameters[path]
        if parameter.choices is not None:
            return any(_plain(value) == _plain(choice) for choice in parameter.choices)
        low, high = bounds(path, parameter)
        if not isinstance(value, int | float) or not low <= value <= high:
            return False
        steps = (value - low) / parameter.step if parameter.step else 0.0
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    def active(self, path: str, defaults: TrialConfig, point: Mapping[str, Any]) -> bool:
        """Whether ``path`` exists in the trial that sets ``point`` over ``defaults``."""
        for other, wanted in (self.parameters[path].when or {}).items():
            value = point[other] if other in point else value_at(defaults, other)
            if _plain(value) not in _alternatives(wanted):
                return False
        return True

    def _suggest(self, path: str, trial: Trial) -> Any:
        distribution = self.distribution(path)
        if isinstance(distribution, CategoricalDistribution):
            return self.decode(path, trial.suggest_categorical(path, distribution.choices))
        if isinstance(distribution, IntDistribution):
            return trial.suggest_int(
                path, distribution.low, distribution.high, step=distribution.step, log=distribution.log
            )
        assert isinstance(distribution, FloatDistribution)
        return trial.suggest_float(
            path, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )

    def _can_exist(self, path: str, defaults: TrialConfig) -> bool:
        """Whether some trial has the parameter."""
        conditions = (self.parameters[path].when or {}).items()
        return all(self._can_be(other, _alternatives(wanted), defaults) for other, wanted in conditions)

    def _can_be(self, path: str, wanted: list[Any], defaults: TrialConfig) -> bool:
        """Whether a field has one of these values in some trial; where its parameter is missing, it is the default."""
        is_default = _plain(value_at(defaults, path)) in wanted
        if path not in self.parameters:
            return is_default
        is_drawn = any(self.contains(path, value) for value in wanted) and self._can_exist(path, defaults)
        return is_drawn or (is_default and self.parameters[path].when is not None)

    def _enabling(self, path: str) -> dict[str, Any]:
        """The first values of other parameters under which ``path`` exists, and so on upwards."""
        point: dict[str, Any] = {}
        for other, wanted in (self.parameters[path].when or {}).items():
            if other in self.parameters:
                point |= self._enabling(other)
            point[other] = _alternatives(wanted)[0]
        return point

    def _draw(self, path: str, rng: np.random.Generator) -> Any:
        parameter = self.parameters[path]
        if parameter.choices is not None:
            return parameter.choices[int(rng.integers(len(parameter.choices)))]
        low, high = bounds(path, parameter)
        if is_integer(path):
            step = int(parameter.step or 1)
            return int(low) + step * int(rng.integers((int(high) - int(low)) // step + 1))
        return float(rng.uniform(low, high))

    def _prove(self, defaults: TrialConfig, point: Mapping[str, Any], what: str) -> None:
        try:
            self.apply(defaults, point)
        except SpoofsweepError as error:
            raise SpoofsweepError(
                f"{what} must make a valid trial", error.rule, "correct the study's [space]"
            ) from error


def trial_paths(model: type[BaseModel] = TrialConfig, prefix: str = "") -> list[str]:
    """Dotted paths of every leaf field of a trial."""
    paths: list[str] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            paths += trial_paths(field.annotation, f"{prefix}{name}.")
        else:
            paths.append(prefix + name)
    return paths


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values of nested settings, each with its dotted path."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _require_field(name: str, path: str) -> None:
    paths = trial_paths()
    if name not in paths:
        where = f"[space] '{path}'" if name == path else f"[space] '{path}' when '{name}'"
        raise SpoofsweepError(f"{where} must be a field of a trial", f"'{name}'", nearest(name, paths))


def _parents_first(parameters: Mapping[str, ParameterConfig]) -> list[str]:
    order: list[str] = []

    def visit(path: str, descendants: tuple[str, ...]) -> None:
        if path in descendants:
            chain = " -> ".join((*descendants, path))
            raise SpoofsweepError("conditions (`when`) must not form a cycle", chain, "drop one of them")
        if path in order or path not in parameters:
            return
        for other in parameters[path].when or {}:
            visit(other, (*descendants, path))
        order.append(path)

    for path in parameters:
        visit(path, ())
    return order


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _alternatives(wanted: Any) -> list[Any]:
    return _plain(wanted) if isinstance(wanted, list | tuple) else [wanted]


def _encode(value: Any) -> Any:
    return json.dumps(_plain(value)) if isinstance(value, list | tuple) else value
