"""Says in words what trials wait for in a Ray cluster."""

from collections import Counter
from collections.abc import Mapping, Sequence

Bundle = Mapping[str, float]
"""Amounts by resource, as Ray counts them."""
_NAMES = {"CPU": "CPU core", "GPU": "GPU"}


def why_waiting() -> str | None:
    """What trials wait for that Ray has not placed yet, those of other sweeps on the cluster among them; none if it has
    placed all. Needs a Ray connection.
    """
    import ray
    from ray.util.placement_group import placement_group_table

    waiting = [
        bundle
        for group in placement_group_table().values()
        if group["state"] == "PENDING"
        for bundle in group["bundles"].values()
    ]
    return describe(waiting, {n["NodeManagerHostname"]: n["Resources"] for n in ray.nodes() if n["Alive"]})


def describe(waiting: Sequence[Bundle], nodes: Mapping[str, Bundle]) -> str | None:
    """A sentence for each kind of bundle that waits, given what the living nodes have in all."""
    kinds = Counter(_in_words(bundle) for bundle in waiting)
    examples = {_in_words(bundle): bundle for bundle in waiting}
    return "; ".join(_sentence(words, number, examples[words], nodes) for words, number in kinds.items()) or None


def _sentence(words: str, number: int, bundle: Bundle, nodes: Mapping[str, Bundle]) -> str:
    who = "1 trial waits" if number == 1 else f"{number} trials wait"
    able = [name for name, has in nodes.items() if all(has.get(key, 0) >= amount for key, amount in bundle.items())]
    if able:
        return f"{who} for {words}: all that have them are busy ({', '.join(able)})"
    have = ", ".join(f"{name} has {_in_words(has)}" for name, has in nodes.items())
    return f"{who} for {words}, which no node has ({have}): start a larger node, or ask for less in [cluster]"


def _in_words(bundle: Bundle) -> str:
    amounts = {name: bundle[key] for key, name in _NAMES.items() if bundle.get(key)}
    return (
        " and ".join(f"{amount:g} {name}{'s' if amount != 1 else ''}" for name, amount in amounts.items()) or "nothing"
    )
