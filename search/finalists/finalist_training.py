"""Trains a finalist; the only place where evaluation data is scored."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError

from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from search.finalists.candidates import Candidate
from search.finalists.finalists import SCORED_SPLITS, keys_path, score_path
from trainable.checkpoints.atomic_folder import readable_folder, replace_folder
from trainable.checkpoints.checkpoint import write_if_possible, write_model_files
from trainable.checkpoints.signature import trial_signature
from trainable.data.hold_out import folds_of
from trainable.hardware.gpu_share import GpuShare
from trainable.metrics.calibration import fit_calibration
from trainable.scores.scores import ScoreTable
from trainable.training.folds import begin
from trainable.training.training import Training

_logger = logging.getLogger("spoofsweep.finalists")


def train_finalist(
    candidate: Candidate, shards_folder: Path, shard_set_id: str, folder: Path, share: GpuShare, num_threads: int
) -> None:
    """Train a candidate to the end and score it; its folder appears whole or not at all. The body of a Ray task.

    At every report it leaves a checkpoint beside its folder, from which a later call goes on.
    """
    torch.set_num_threads(num_threads)
    shards = ShardSet.open(shards_folder, expected_id=shard_set_id)
    share.enforce()
    tables: Mapping[str, ScoreTable] = {}
    checkpoint = folder / f"{candidate.name}.checkpoint"
    with share.explained():
        training = _resumed(candidate, shards, checkpoint, share.device) or _begun(candidate, shards, share.device)
        for _ in training:
            missing = write_if_possible(training.save, checkpoint, "checkpoint")
            if missing:
                _logger.warning("finalist %s: %s", candidate.name, missing)
        record = training.record
        if not training.history[-1].diverged:
            tables = {s: training.score(s) for s in SCORED_SPLITS if (shards.index["split"] == s).any()}
            calibration = fit_calibration(tables["dev"].bonafide, tables["dev"].spoof)
            record = record.model_copy(update={"calibration": calibration})
    with replace_folder(folder / candidate.name) as fresh:
        write_model_files(fresh, record, training.scored_model)
        for split, table in tables.items():
            table.write(score_path(fresh, split))
            table.write_keys(keys_path(fresh, split))
    for left in (checkpoint, *folder.glob(f".{checkpoint.name}.*")):  # of calls that were cut off, too
        shutil.rmtree(left, ignore_errors=True)


def _begun(candidate: Candidate, shards: ShardSet, device: str) -> Training:
    folds = folds_of(candidate.held_out)
    training = begin(candidate.config, shards, candidate.seed, device, folds, lineage=candidate.lineage)
    assert isinstance(training, Training)  # a model for use knows all attacks, or lacks one group of them
    return training


def _resumed(candidate: Candidate, shards: ShardSet, checkpoint: Path, device: str) -> Training | None:
    """Where an earlier call left it; none if there is no use of its checkpoint."""
    if not readable_folder(checkpoint).is_dir():
        return None
    try:
        training = Training.resume(checkpoint, shards, device)
    except (SpoofsweepError, OSError, SafetensorError) as error:
        _logger.warning("checkpoint of finalist %s is of no use: %s", candidate.name, error)
        return None
    folds = folds_of(candidate.held_out)
    wanted = trial_signature(candidate.config, candidate.seed, shards.shard_set_id, folds, candidate.lineage)
    return training if training.signature == wanted else None
