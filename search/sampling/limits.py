"""What a study's detector may cost where it is to run: configurations beyond are not trained, but drawn again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from cluster.errors import SpoofsweepError
from data_prep.features_config import FeaturesConfig
from search.sampling.cube import scale, sobol_points
from search.sampling.translation import Translation
from search.study.config import SearchConfig, StudyConfig
from search.study.objective import SECONDS
from search.study.space import SearchSpace
from trainable.config import TrialConfig

MOST_REFUSALS = 100
"""Draws of one trial."""
_NUM_PROBES = {"num_parameters": 64, "latency_ms": 8}
"""Configurations of a space that a preview looks at, or more while all are refused; a latency takes long to measure."""
_SETTINGS = {"num_parameters": "search.max_parameters", "latency_ms": "search.max_latency_ms"}


class Limits:
    """The most parameters or milliseconds of a configuration, by the names of `search.study.objective.SECONDS`.

    Args:
        search: says how many.
        features: what the models look at.
    """

    def __init__(self, search: SearchConfig, features: FeaturesConfig) -> None:
        from trainable.sizing.model_sizes import ModelSizes  # torch comes with it

        self._sizes = ModelSizes(features)
        limits = {"num_parameters": search.max_parameters, "latency_ms": search.max_latency_ms}
        self.most = {name: float(limit) for name, limit in limits.items() if limit is not None}

    def __str__(self) -> str:
        return " and ".join(f"{_SETTINGS[name]} = {limit:,g}" for name, limit in self.most.items())

    def excess(self, trial: TrialConfig) -> dict[str, float]:
        """The first figure of a configuration that is beyond its limit, by its name; empty if none is."""
        for name, limit in self.most.items():
            if name == "num_parameters":
                value: float = self._sizes.num_parameters(trial)
            else:
                value = self._sizes.latency_ms(trial, limit)
            if value > limit:
                return {name: value}
        return {}

    def forbids(self, refusal: Mapping[str, Any]) -> bool:
        """Whether a draw that was refused still would be."""
        return any(refusal.get(name, 0.0) > limit for name, limit in self.most.items())

    def require_room(self, refusals: Sequence[Mapping[str, Any]], most: int = MOST_REFUSALS) -> None:
        """
        Raises:
            SpoofsweepError: as many draws in a row as ``most`` were refused: hardly any configuration is left.
        """
        if len(refusals) < most:
            return
        beyond = {name: [refusal[name] for refusal in refusals if name in refusal] for name in self.most}
        found = (
            f"{SECONDS[name].show(min(values))} {SECONDS[name].label}" for name, values in beyond.items() if values
        )
        raise SpoofsweepError(
            f"[space] must have configurations within {self}",
            f"{most} draws beyond, the least with {' or '.join(found)}",
            "raise the limit, or give [space] smaller models",
        )


def limits_of(config: StudyConfig) -> Limits | None:
    """The limits of a study; none if it has none."""
    search = config.search
    return Limits(search, config.features) if search.max_parameters or search.max_latency_ms else None


def limit_notes(config: StudyConfig, space: SearchSpace) -> list[str]:
    """What is to be said of a study's limits: whether its own configuration keeps them, and how much of the space does.

    Raises:
        SpoofsweepError: no configuration that was looked at does.
    """
    limits = limits_of(config)
    if limits is None:
        return []
    found = []
    for name, value in limits.excess(config.trial).items():
        size = f"{SECONDS[name].show(value)} {SECONDS[name].label}"
        found.append(f"[trial] has {size}, beyond {limits}: it is not trained, and the first trial draws another")
    probed: list[dict[str, float]] = []
    enough = min(_NUM_PROBES[name] for name in limits.most)
    for probe in _probes(space, config.trial):
        if len(probed) >= enough and not all(probed):
            break
        probed.append(limits.excess(probe))
    refused = [excess for excess in probed if excess]
    limits.require_room(refused, len(probed))
    if refused:
        share = len(refused) / len(probed)
        found.append(f"about {share:.0%} of [space] is beyond {limits}: such draws are not trained, but drawn again")
    return found


def refused_trials(
    refusals: Sequence[Mapping[str, Any]], limits: Limits, translation: Translation
) -> list[FrozenTrial]:
    """Refused draws as a sampler takes them, pruned before they began, as far as today's space and limits do so still.

    Args:
        refusals: as a trial's attribute has them.
    """
    return [
        create_trial(
            state=TrialState.PRUNED,
            params=dict(refusal["params"]),
            distributions={path: translation.distributions[path] for path in refusal["params"]},
        )
        for refusal in refusals
        if limits.forbids(refusal) and translation.has(refusal["params"])
    ]


def _probes(space: SearchSpace, defaults: TrialConfig) -> Iterator[TrialConfig]:
    """Configurations all over a space, as its quasi-random trials are; as many as a trial has draws."""
    points = sobol_points(0, len(space.parameters), lambda place: place)
    for place in range(MOST_REFUSALS if space.parameters else 1):
        point: dict[str, Any] = {}
        for path, uniform in zip(space.parameters, points(place).tolist(), strict=False):
            if space.active(path, defaults, point):
                point[path] = space.decode(path, scale(uniform, space.distribution(path)))
        yield space.apply(defaults, point)
