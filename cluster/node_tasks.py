"""Runs a function on every node of the Ray cluster that this process is connected to."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from cluster.probes import names_of

T = TypeVar("T")
_POLL_S = 1.0


def wait_for_nodes(count: int, timeout_s: float) -> int:
    """Wait until ``count`` nodes are alive; how many are, at the latest after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while (alive := len(_alive())) < count and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return alive


def on_every_node(
    function: Callable[..., T], *arguments: Any, timeout_s: float, only_gpus: bool = False
) -> dict[str, T | Exception]:
    """What ``function`` returns on each node, or why it did not, by the node's name.

    Args:
        function: found by its module on every node.
        arguments: of the function.
        timeout_s: for all nodes together; one that has not answered by then has a `TimeoutError`.
        only_gpus: run where GPUs are, in a task that has all of them.
    """
    import ray

    pending = {}
    for node in _alive():
        gpus = node["Resources"].get("GPU", 0)
        if gpus or not only_gpus:
            pending[node["NodeID"]] = _pinned(function, node["NodeID"], gpus if only_gpus else 0).remote(*arguments)
    if pending:
        ray.wait(list(pending.values()), num_returns=len(pending), timeout=timeout_s)
    names = names_of([(node["NodeID"], node["NodeManagerHostname"]) for node in _alive()])
    return {names.get(node, node[:6]): _result(task) for node, task in pending.items()}


def seconds_apart(timeout_s: float) -> dict[str, float]:
    """How far at least the clock of each node is from this machine's, in seconds; nodes that are silent are left out.

    A node's time is asked for between two looks at the own clock: what lies outside of them is the difference.
    """
    import ray

    from cluster.probes import clock

    apart: dict[str, float] = {}
    names = names_of([(node["NodeID"], node["NodeManagerHostname"]) for node in _alive()])
    for node, name in [*names.items()] * 2:  # the first look may start a process, which blurs it
        before = time.time()
        try:
            there = ray.get(_pinned(clock, node, 0).remote(), timeout=timeout_s)
        except ray.exceptions.RayError:
            continue
        apart[name] = max(apart.get(name, 0.0), before - there, there - time.time())
    return apart


def _alive() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _pinned(function: Callable[..., Any], node: str, num_gpus: float) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, num_gpus=num_gpus, max_retries=0)(function).options(scheduling_strategy=there)


def _result(task: Any) -> Any:
    import ray

    try:
        return ray.get(task, timeout=0)
    except ray.exceptions.GetTimeoutError:
        ray.cancel(task, force=True)
        return TimeoutError("no answer")
    except ray.exceptions.RayError as error:
        return error
