"""What trials take of a GPU, measured there: context, kernels, resident features, and the peak of a training step."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import torch

from cluster.errors import SpoofsweepError
from data_prep.remote_files import to_path
from data_prep.shards import ShardSet
from trainable.config import TrialConfig
from trainable.data.hold_out import Folds
from trainable.hardware.gpu_share import GpuShare
from trainable.training.folds import FoldedTraining, begin


@dataclass(frozen=True)
class GpuMemory:
    """What was measured on one GPU."""

    gpu: str
    """Name of the GPU."""
    total_bytes: int
    usable_bytes: int
    """What was free before any trial began."""
    trial_bytes: tuple[int, ...]
    """What each trial took, in the order asked."""


def measure(
    trials: Sequence[TrialConfig], shards: str, shard_set_id: str, folds: Folds, num_threads: int = 1
) -> GpuMemory:
    """Try the largest batch of each trial, each in a process of its own as the sweep's trials will be.

    The GPU should have nothing else to do meanwhile.

    Args:
        trials: configurations.
        shards: folder or URI of the shard set.
        shard_set_id: its identity.
        folds: attacks held out, a list a model.
        num_threads: of one trial.

    Raises:
        SpoofsweepError: there is no GPU that PyTorch can use, or a trial does not fit on it alone.
    """
    if not torch.cuda.is_available():
        remedy = "leave cluster.trials_per_gpu out to train on CPUs"
        raise SpoofsweepError("measuring a trial's GPU memory needs a GPU that torch can use", "none", remedy)
    taken = []
    usable, total = torch.cuda.mem_get_info()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
        for trial in trials:
            left = processes.submit(_free_at_peak, trial, shards, shard_set_id, folds, num_threads).result()
            taken.append(usable - left)
    return GpuMemory(torch.cuda.get_device_name(), total, usable, tuple(taken))


def _free_at_peak(trial: TrialConfig, shards: str, shard_set_id: str, folds: Folds, num_threads: int) -> int:
    """What a GPU has free while a trial takes most. The body of a fresh process."""
    torch.set_num_threads(num_threads)
    opened = ShardSet.open(to_path(shards), expected_id=shard_set_id)
    with GpuShare("cuda", 1.0).explained():
        training = begin(trial, opened, 0, "cuda", folds)
        for model in training.trainings if isinstance(training, FoldedTraining) else [training]:
            model.rehearse()
    free, _ = torch.cuda.mem_get_info()
    # The allocator may have given parts of its peak back since.
    return free - (torch.cuda.max_memory_reserved() - torch.cuda.memory_reserved())
