"""Trains finalists as Ray tasks; the only place where evaluation data is scored."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from search.finalists.candidates import Candidate
from search.finalists.finalists import SCORED_SPLITS, Finalist, keys_path, read_finalist, score_path
from search.finalists.tandem import NO_ASV, Tandem
from search.sweep.ray_errors import in_one_line
from trainable.checkpoints.atomic_folder import replace_folder
from trainable.checkpoints.checkpoint import write_model_files
from trainable.data.hold_out import folds_of
from trainable.hardware.gpu_share import GpuShare
from trainable.metrics.calibration import fit_calibration
from trainable.scores.scores import ScoreTable
from trainable.training.folds import begin
from trainable.training.training import Training


def run_finalists(
    candidates: Sequence[Candidate],
    shards: ShardSet,
    folder: Path,
    cluster: ClusterConfig,
    console: Console | None = None,
    on_finished: Callable[[Finalist], None] = lambda finalist: None,
    tandem: Tandem = NO_ASV,
) -> list[Finalist]:
    """Train the candidates as Ray tasks; those that lie finished in ``folder`` are taken from there.

    Needs a Ray connection (``cluster.ray_session``).

    Args:
        candidates: from `search.finalists.candidates.select`.
        shards: the study's data.
        folder: where each finalist gets a folder of its name; on a cluster, one that all machines see.
        cluster: resources of one training.
        console: where progress is shown, if it is a terminal.
        on_finished: called with each finalist as it is there.
        tandem: speaker verification that the finalists' t-DCF is about.

    Raises:
        SpoofsweepError: a training failed; the others that had finished are kept for the next call.
    """
    identity = shards.shard_set_id
    finished = {c.name: done for c in candidates if (done := read_finalist(c, folder, identity, tandem)) is not None}
    for finalist in finished.values():
        on_finished(finalist)
    pending = _submit([c for c in candidates if c.name not in finished], shards, folder, cluster)
    with _progress(console or Console(stderr=True)) as progress:
        bar = progress.add_task("retraining", total=len(candidates), completed=len(finished))
        for candidate in _as_completed(pending):
            trained = read_finalist(candidate, folder, identity, tandem)
            if trained is None:
                raise SpoofsweepError(
                    "the finalists' folder must be seen by all machines", folder, "use a shared file system"
                )
            finished[candidate.name] = trained
            on_finished(trained)
            progress.advance(bar)
    return [finished[candidate.name] for candidate in candidates]


def train_finalist(
    candidate: Candidate, shards_folder: Path, shard_set_id: str, folder: Path, share: GpuShare, num_threads: int
) -> None:
    """Train a candidate to the end and score it; its folder appears whole or not at all. The body of a Ray task."""
    torch.set_num_threads(num_threads)
    shards = ShardSet.open(shards_folder, expected_id=shard_set_id)
    share.enforce()
    tables: Mapping[str, ScoreTable] = {}
    with share.explained():
        folds = folds_of(candidate.held_out)
        training = begin(candidate.config, shards, candidate.seed, share.device, folds, lineage=candidate.lineage)
        assert isinstance(training, Training)  # a model for use knows all attacks, or lacks one group of them
        for _ in training:
            pass
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


def _submit(
    candidates: Sequence[Candidate], shards: ShardSet, folder: Path, cluster: ClusterConfig
) -> dict[Any, Candidate]:
    import ray

    task = ray.remote(num_cpus=cluster.cpus_per_trial, num_gpus=cluster.gpu_share)(train_finalist)
    place = (shards.folder.resolve(), shards.shard_set_id, folder.resolve())
    share = GpuShare(cluster.device, cluster.gpu_share)
    return {task.remote(candidate, *place, share, cluster.cpus_per_trial): candidate for candidate in candidates}


def _as_completed(pending: dict[Any, Candidate]) -> Any:
    """Candidates in the order in which their tasks end.

    Raises:
        SpoofsweepError: one failed. The rest is cancelled then, and when the caller stops listening.
    """
    import ray

    try:
        while pending:
            (task,), _ = ray.wait(list(pending), num_returns=1)
            candidate = pending.pop(task)
            try:
                ray.get(task)
            except ray.exceptions.RayError as error:
                raise SpoofsweepError(
                    f"finalist {candidate.name} must train to its end",
                    in_one_line(error),
                    "run the sweep again: finalists that finished are kept",
                ) from error
            yield candidate
    finally:
        for task in pending:
            ray.cancel(task, force=True)


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
