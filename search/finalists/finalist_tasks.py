"""Finalists as Ray tasks: all at once, tried again as trials are, stopped and paused as a sweep is."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from search.finalists.candidates import Candidate
from search.finalists.finalist_training import train_finalist
from search.finalists.finalists import Finalist, read_finalist
from search.finalists.tandem import NO_ASV, Tandem
from search.sweep.control import Request, StopRequestError
from search.sweep.ray_errors import fault_of, in_one_line
from search.trials.fault import Fault
from trainable.hardware.gpu_share import GpuShare

_INTERVAL_S = 2.0
_MOST_LOSSES = 20
"""How often Ray itself begins a training anew whose process or machine went away."""


def run_finalists(
    candidates: Sequence[Candidate],
    shards: ShardSet,
    folder: Path,
    cluster: ClusterConfig,
    console: Console | None = None,
    on_finished: Callable[[Finalist], None] = lambda finalist: None,
    tandem: Tandem = NO_ASV,
    max_retries: int = 0,
    request: Callable[[], Request | None] = lambda: None,
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
        max_retries: how often a training that failed is tried again, from its last report on.
        request: what the user asks for meanwhile, by another command.

    Raises:
        SpoofsweepError: a training failed; the others that had finished are kept for the next call.
        StopRequestError: the user wants it; what was trained is kept likewise.
    """
    console, identity = console or Console(stderr=True), shards.shard_set_id

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    finished = {c.name: done for c in candidates if (done := read_finalist(c, folder, identity, tandem)) is not None}
    for finalist in finished.values():
        on_finished(finalist)
    left = [candidate for candidate in candidates if candidate.name not in finished]
    with closing(FinalistTasks(left, shards, folder, cluster, max_retries, say)) as tasks, _progress(console) as bar:
        bar.add_task("retraining", total=len(candidates), completed=len(finished))
        tasks.begin()
        while tasks.left:
            _obey(request(), tasks, say)
            candidate = tasks.next_finished(_INTERVAL_S)
            if candidate is None:
                continue
            trained = read_finalist(candidate, folder, identity, tandem)
            if trained is None:
                raise SpoofsweepError(
                    "the finalists' folder must be seen by all machines", folder, "use a shared file system"
                )
            finished[candidate.name] = trained
            on_finished(trained)
            bar.advance(bar.task_ids[0])
    return [finished[candidate.name] for candidate in candidates]


class FinalistTasks:
    """The trainings of candidates. Cancelled ones go on from their last reports, when they are begun again.

    Args:
        candidates: to be trained.
        shards: the study's data.
        folder: where each finalist gets a folder of its name.
        cluster: resources of one training.
        max_retries: how often one that failed is tried again.
        say: shows the user a line.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        shards: ShardSet,
        folder: Path,
        cluster: ClusterConfig,
        max_retries: int,
        say: Callable[[str], None],
    ) -> None:
        self.left = {candidate.name: candidate for candidate in candidates}
        self._place = (shards.folder.resolve(), shards.shard_set_id, folder.resolve())
        self._cluster, self._max_retries, self._say = cluster, max_retries, say
        self._running: dict[Any, Candidate] = {}
        self._num_failures: Counter[str] = Counter()
        self._alone: set[str] = set()

    @property
    def is_running(self) -> bool:
        return bool(self._running)

    def begin(self) -> None:
        """Give Ray all that are left; it trains as many at a time as there is room for."""
        for candidate in self.left.values():
            self._submit(candidate)

    def next_finished(self, timeout_s: float) -> Candidate | None:
        """One that has come to its end; none if nothing did meanwhile, or it failed and is tried again.

        Raises:
            SpoofsweepError: one failed for good.
        """
        import ray

        if not self._running:
            time.sleep(timeout_s)
            return None
        ended, _ = ray.wait(list(self._running), num_returns=1, timeout=timeout_s)
        if not ended:
            return None
        candidate = self._running.pop(ended[0])
        try:
            ray.get(ended[0])
        except ray.exceptions.RayError as error:
            self._try_again(candidate, error)
            return None
        return self.left.pop(candidate.name)

    def close(self) -> None:
        """End all that run, now."""
        import ray

        while self._running:
            ray.cancel(self._running.popitem()[0], force=True)

    def _submit(self, candidate: Candidate) -> None:
        import ray

        share = 1.0 if candidate.name in self._alone else self._cluster.gpu_share
        num_cpus = self._cluster.cpus_per_trial
        task: Any = ray.remote(num_cpus=num_cpus, num_gpus=share, max_retries=_MOST_LOSSES)(train_finalist)
        of_gpu = GpuShare(self._cluster.device, share)
        self._running[task.remote(candidate, *self._place, of_gpu, num_cpus)] = candidate

    def _try_again(self, candidate: Candidate, error: Exception) -> None:
        name, reason = candidate.name, in_one_line(error)
        if fault_of(error) is Fault.MEMORY:
            may_retry = 0 < self._cluster.gpu_share < 1 and name not in self._alone
            self._alone.add(name)
        else:
            self._num_failures[name] += 1
            may_retry = self._num_failures[name] <= self._max_retries
        if not may_retry:
            raise SpoofsweepError(
                f"finalist {name} must train to its end",
                reason,
                "run the sweep again: finalists that finished are kept, the others go on from their last reports",
            ) from error
        self._say(f"Finalist {name} is tried again{' with a GPU for itself' if name in self._alone else ''}: {reason}")
        self._submit(candidate)


def _obey(request: Request | None, tasks: FinalistTasks, say: Callable[[str], None]) -> None:
    if request is Request.STOP:
        raise StopRequestError("it was told to stop")
    if request is Request.PAUSE and tasks.is_running:
        tasks.close()
        say("Told to pause: finalists will go on from their last reports. `spoofsweep resume STUDY` goes on.")
    elif request is Request.RESUME and not tasks.is_running:
        tasks.begin()
        say("Told to go on.")


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
