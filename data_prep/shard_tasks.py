"""Runs shard plans as Ray tasks: as many at a time as there are cores, again where a worker or its node is lost."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster.errors import SpoofsweepError
from data_prep.plan import Conversions, Recipe, ShardPlan
from data_prep.remote_files import is_remote
from data_prep.shard_builder import build_shard
from data_prep.shard_part import part_path, read_parts

_TASKS_A_CORE = 2
"""Tasks in flight: one runs, one waits, and a killed run leaves few behind."""
MAX_LOSSES = 4
"""Workers that one shard may lose before it is held to be the cause."""


def run_plans(plans: Sequence[ShardPlan], recipe: Recipe) -> Generator[tuple[ShardPlan, float], None, None]:
    """Run the plans in their order; yield each when its shard is there, with the seconds of audio in it.

    Needs a Ray connection (``cluster.ray_session``). What is in memory does not grow with the number of plans.

    Raises:
        SpoofsweepError: the disk is full, a shard keeps losing its worker, or nodes do not share the output folder.
    """
    import ray

    shared = ray.put(replace(recipe, conversions=Conversions({}, {})))
    task = ray.remote(num_cpus=1, max_retries=0)(_build)
    waiting = iter(plans)
    running: dict[Any, ShardPlan] = {}
    num_losses: dict[int, int] = {}
    try:
        while True:
            # Asked anew each time: an autoscaled cluster grows while it works.
            limit = _TASKS_A_CORE * max(1, int(ray.cluster_resources().get("CPU", 1)))
            while len(running) < limit and (plan := next(waiting, None)) is not None:
                running[task.remote(plan, shared, _conversions_of(plan, recipe))] = plan
            if not running:
                return
            (reference,), _ = ray.wait(list(running), num_returns=1)
            plan = running.pop(reference)
            try:
                yield plan, _seconds_built(reference, plan, recipe)
            except _LostError as error:
                num_losses[plan.number] = num_losses.get(plan.number, 0) + 1
                _check_losses(num_losses[plan.number], plan, error)
                running[task.remote(plan, shared, _conversions_of(plan, recipe))] = plan
    finally:
        for reference in running:
            ray.cancel(reference)


class _LostError(Exception):
    """A worker, or its node, went away before its shard was finished."""


def _seconds_built(reference: Any, plan: ShardPlan, recipe: Recipe) -> float:
    """Seconds of audio in a shard whose task has ended."""
    import ray

    try:
        audio_s: float = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        # Ray wraps what a task raises in its own traceback; the user's error needs none.
        raise error.cause if isinstance(error.cause, SpoofsweepError) else error from None
    except (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.NodeDiedError,
        ray.exceptions.OutOfMemoryError,
        ray.exceptions.ObjectLostError,
    ) as error:
        found = next((part for _, part in read_parts(recipe.folder, [plan.number])), None)
        if found is None:
            first_line = str(error).strip().partition("\n")[0]
            raise _LostError(f"{type(error).__name__}: {first_line}") from error
        audio_s = found.audio_s  # it was finished all the same
    _require_visible(recipe.folder, plan)
    return audio_s


def _build(plan: ShardPlan, recipe: Recipe, conversions: Conversions) -> float:
    return build_shard(plan, replace(recipe, conversions=conversions))


def _conversions_of(plan: ShardPlan, recipe: Recipe) -> Conversions:
    """Those of the plan's files alone: with a task for all of the corpus, the traffic would grow with its square."""
    paths = [utterance.path for utterance in plan.utterances]
    converted, failed = recipe.conversions.converted, recipe.conversions.failed
    return Conversions(
        {path: converted[path] for path in paths if path in converted},
        {path: failed[path] for path in paths if path in failed},
    )


def _check_losses(num_losses: int, plan: ShardPlan, error: _LostError) -> None:
    if num_losses < MAX_LOSSES:
        return
    ids = [utterance.utterance_id for utterance in plan.utterances]
    raise SpoofsweepError(
        f"a shard must not bring its worker down, and shard {plan.number} lost {num_losses} of them; it holds "
        f"{len(ids)} utterances of {plan.split}: {', '.join(ids)}\n",
        f"{error}\n",
        "if memory ran out, lower shards.utterances_per_shard, augmentation.num_views or cluster.num_cpus; else look "
        "for a broken file among these",
    ) from error


def _require_visible(folder: Path, plan: ShardPlan) -> None:
    path = part_path(folder, plan.number)
    if not is_remote(path) and not path.is_file():
        raise SpoofsweepError(
            "a finished shard must be visible where the program runs",
            path,
            "let all nodes share the output folder, or set shards.store to an object store",
        )
