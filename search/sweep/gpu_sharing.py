"""How many trials share a GPU: what the largest trial of a study takes is measured there, and the rest follows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ray
from rich.console import Console

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from cluster.gpus import MPS_START, Node, nodes
from data_prep.display import print_warnings
from data_prep.shards import ShardSet
from search.study.space import SearchSpace
from search.study.study import Study
from search.sweep.largest_trials import largest_trials
from search.sweep.ray_errors import in_one_line
from search.sweep.tune_run import num_places
from trainable.config import TrialConfig
from trainable.hardware.gpu_share import CONTEXT_BYTES
from trainable.sizing.memory_estimate import MemoryEstimate
from trainable.sizing.memory_measure import GpuMemory, measure

MARGIN = 1.15
"""Memory planned for a trial, times what was measured: validation, and the gaps in what an allocator hands out."""
_MOST = 16
"""Trials a GPU that ``auto`` plans at most: each costs a process and a CUDA context, and all of them the same GPU."""
_NUM_MEASURED = 3


@dataclass(frozen=True)
class Packing:
    """Why so many trials share a GPU."""

    trials_per_gpu: int
    trial_bytes: int
    """What the largest trial took."""
    gpu: str
    total_bytes: int
    limit: str
    """What allows no more."""

    def __str__(self) -> str:
        trials = f"{self.trials_per_gpu} trial{'s' if self.trials_per_gpu > 1 else ''} a GPU"
        measured = f"{self.trial_bytes / 1e9:.1f} GB a trial measured on {self.gpu} {self.total_bytes / 1e9:.0f} GB"
        return f"{measured}: {trials} (limited by {self.limit})"


def plan(memory: GpuMemory, other_limits: Mapping[str, int]) -> Packing:
    """The packing that follows from a measurement.

    Args:
        memory: what was measured.
        other_limits: trials that a GPU may have at most for other reasons, by what these are.

    Raises:
        SpoofsweepError: the largest trial does not fit on the GPU with its margin.
    """
    largest = max(memory.trial_bytes)
    # A process is capped at its share less the allowance for a context, whatever its own context takes.
    limits = {"GPU memory": int(memory.usable_bytes / (MARGIN * largest + CONTEXT_BYTES)), **other_limits}
    if limits["GPU memory"] < 1:
        found = f"{largest / 1e9:.1f} GB, of {memory.usable_bytes / 1e9:.1f} GB free on {memory.gpu}"
        remedy = "bound batch.size, batch.crop_s or the model's size in [space]"
        raise SpoofsweepError("the largest trial of a study must fit on a GPU with room to spare", found, remedy)
    limit = min(limits, key=lambda name: limits[name])
    return Packing(max(1, limits[limit]), largest, memory.gpu, memory.total_bytes, limit)


def settle(study: Study, shards: ShardSet, console: Console) -> tuple[Study, Packing | None]:
    """The study with a number of trials a GPU, and how it came about; as it is where it asks for no measurement.

    Needs a Ray connection. The largest configurations of the space are found on the CPU, then tried in a Ray task that
    has a GPU to itself, on each kind of GPU in the cluster; the fewest trials count.

    Raises:
        SpoofsweepError: there is no GPU, or a trial does not fit on it.
    """
    cluster, config = study.config.cluster, study.config
    if cluster.trials_per_gpu != "auto":
        return study, None
    found = [node for node in nodes() if node.num_gpus]
    estimate = MemoryEstimate(shards.manifest.features)
    trials = largest_trials(SearchSpace(config.space), config.trial, estimate.of, _NUM_MEASURED)
    place = (str(shards.folder.absolute()), shards.shard_set_id, study.folds(shards.index), cluster.cpus_per_trial)
    limits, kinds = _other_limits(cluster, config.search.num_trials, found), _kinds(found)
    named = " and ".join(kind or "a GPU" for kind in kinds)
    console.print(f"Measuring the largest trials on {named} ...", markup=False, highlight=False)
    packings = [plan(_measured(trials, kind, *place), limits) for kind in kinds]
    packing = min(packings, key=lambda each: each.trials_per_gpu)
    settled = config.model_copy(update={"cluster": cluster.packed(packing.trials_per_gpu)})
    return replace(study, config=settled), packing


def require_room(cluster: ClusterConfig) -> None:
    """Make sure that a trial can be placed at all, before anything costs time.

    Raises:
        SpoofsweepError: there are too few CPU cores or GPUs, or none to measure on.
    """
    if cluster.trials_per_gpu != "auto":
        num_places(cluster)
        return
    if not ray.cluster_resources().get("GPU"):
        remedy = "give a number, or leave it out to train on CPUs"
        raise SpoofsweepError(
            'cluster.trials_per_gpu = "auto" needs a GPU to measure on', "none in the cluster", remedy
        )
    num_places(cluster.packed(1))


def print_sharing(cluster: ClusterConfig, packing: Packing | None, console: Console) -> None:
    """Say how many trials share a GPU where that was measured, and what would let them share it better."""
    if packing is not None:
        console.print(str(packing), markup=False, highlight=False)
    if 0 < cluster.gpu_share < 1:
        print_warnings(console, sharing_notes(cluster, nodes()))


def sharing_notes(cluster: ClusterConfig, found: Sequence[Node]) -> list[str]:
    """What is to be said of NVIDIA's Multi-Process Service, several trials sharing each GPU of the nodes ``found``."""
    with_gpus = [node for node in found if node.num_gpus]
    without = [node.name for node in with_gpus if node.mps.state != "running"]
    notes = []
    if without:
        notes.append(
            f"trials share a GPU on {', '.join(without)} without NVIDIA's Multi-Process Service, so that their kernels "
            f"take turns; with it they run side by side: start it there, before Ray, with `{MPS_START}`"
        )
    for node in with_gpus:
        percentage, wanted = node.mps.thread_percentage, 100 * cluster.gpu_share
        if node.mps.state == "running" and percentage < wanted:
            notes.append(
                f"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE is {percentage:g} on {node.name}, so {1 / cluster.gpu_share:.0f} "
                f"trials leave a part of the GPU idle: set it to {min(100.0, 2 * wanted):.0f} or more, or unset it"
            )
    return notes


def _other_limits(cluster: ClusterConfig, num_trials: int, found: Sequence[Node]) -> dict[str, int]:
    num_gpus = sum(node.num_gpus for node in found)
    cores_per_gpu = min(node.num_cpus / node.num_gpus for node in found)
    limits = {"CPU cores": int(cores_per_gpu // cluster.cpus_per_trial), "search.num_trials": num_trials}
    if cluster.max_concurrent_trials is not None:
        limits["cluster.max_concurrent_trials"] = cluster.max_concurrent_trials
    # So that no GPU stands idle while others are shared.
    for name in limits.keys() - {"CPU cores"}:
        limits[name] = math.ceil(limits[name] / num_gpus)
    return {**limits, "what a GPU can overlap": _MOST}


def _kinds(found: Sequence[Node]) -> list[str | None]:
    return sorted({node.gpu_kind for node in found}, key=str)


def _measured(trials: Sequence[TrialConfig], kind: str | None, *place: Any) -> GpuMemory:
    """What the trials take on a GPU of this kind; none means any."""
    task = ray.remote(num_cpus=1, num_gpus=1, max_retries=0)(measure)
    if kind is not None:
        task = task.options(accelerator_type=kind)
    try:
        return ray.get(task.remote(trials, *place))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, SpoofsweepError):
            raise error.cause from error
        raise _unmeasured(error) from error
    except ray.exceptions.RayError as error:
        raise _unmeasured(error) from error


def _unmeasured(error: Exception) -> SpoofsweepError:
    remedy = "give cluster.trials_per_gpu a number"
    return SpoofsweepError("a study's largest trial must run once on a GPU", in_one_line(error), remedy)
