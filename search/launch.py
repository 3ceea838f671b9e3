"""The whole main job: shards, sweep, finalists, champion, report."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from cluster.ray_session import ray_session
from data_prep.display import print_warnings
from data_prep.prepare import prepare
from data_prep.shards import ShardSet
from deploy.tracking_store import check_reachable
from search.finale import conclude
from search.ledger.leaderboard import Summary, summarise
from search.ledger.study_reader import BegunStudy, read_trials
from search.planning.preview import preview
from search.pruning.horizon import Horizon, horizon_of
from search.pruning.pruners import learnt_trust
from search.reporting.report import StudyOutcome
from search.storage.storage import check_writable
from search.study.objective import EER, OBJECTIVES, SECONDS, Objective
from search.study.study import Study
from search.sweep.conductor import INTERRUPTED
from search.sweep.control import StopRequestError
from search.sweep.driver_lock import driver_lock
from search.sweep.gpu_sharing import print_sharing, require_room, settle
from search.sweep.pending_watch import PendingWatch
from search.sweep.sweep import run_sweep
from search.sweep.sweep_log import sweep_log
from search.trials.trial_record import TrialRecord
from trainable.data.hold_out import Folds, named, samples_per_pass


def launch(study: Study, console: Console) -> StudyOutcome | None:
    """Run a study from its corpus to its champion; none if it was stopped before, by a command, Ctrl-C or SIGTERM.

    Raises:
        SpoofsweepError: anything that cannot work, before it costs compute where it can be known before.
    """
    try:
        return _run(study, console)
    except StopRequestError as error:
        reason = str(error)
    except KeyboardInterrupt:
        reason = INTERRUPTED
    console.print(f"Stopped: {escape(reason)}. The same command goes on from here.", highlight=False)
    return None


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, so that nothing that was begun goes on alone.

    While trials run, both are the sweep's own, see `search.sweep.tune_run`. To be entered once Ray is there, which
    takes SIGTERM for its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(study: Study, console: Console) -> StudyOutcome:
    found = preview(study)
    print_warnings(console, (*found.report.warnings, *found.notes))
    with driver_lock(study.folder), sweep_log(study.folder / "sweep.log"):
        check_writable(study.storage_url)
        check_reachable(study.tracking_uri)
    with ray_session(study.config.cluster), _termination_as_interrupt():
        require_room(study.config.cluster)
        examined = (found.corpus, found.report)
        shards = prepare(study.prep, study.base, study.output, console=console, page=True, examined=examined)
        study, packing = settle(study, shards, console)
        print_sharing(study.config.cluster, packing, console)
        with PendingWatch(console) as watch:
            result = run_sweep(study, shards, console=console, packing=packing, listeners=[watch])
        if result.stop_reason is not None:
            raise StopRequestError(result.stop_reason)
        if not result.is_tracked:
            console.print("MLflow did not take everything; what is left waits, and the same command sends it.")
        return conclude(study, shards, console)


@dataclass(frozen=True)
class Progress:
    """What the ledger holds of a study."""

    trials: Sequence[TrialRecord]
    summary: Summary
    horizon: Horizon
    about: str
    """What the dev EER is about, and what is minimised if it is another figure."""
    warnings: tuple[str, ...]


def read_progress(study: Study) -> Progress:
    """Read the ledger of a study without touching it; works while a sweep runs.

    Raises:
        SpoofsweepError: the study was never started, or its shards are gone.
    """
    begun = read_trials(study.storage_url, study.name)
    trials, objective, second = begun.trials, OBJECTIVES[begun.objective], SECONDS.get(begun.second_objective)
    shards = ShardSet.open(study.shards_folder / begun.shard_set_id, begun.shard_set_id)
    folds = study.folds(shards.index)
    horizon = horizon_of(study.config, samples_per_pass(shards.index, folds))
    trust = learnt_trust(study.config.search, horizon, study.config.study.seed, trials)
    summary = summarise(trials, horizon.rungs, horizon.budget, horizon.samples_per_pass, trust, objective, second)
    about = f"{_about(begun.held_out)}. {_minimised(objective)}" if objective != EER else _about(begun.held_out)
    return Progress(trials, summary, horizon, about, _contradictions(study, folds, begun))


def _about(held_out: str) -> str:
    """Held-out attacks as the ledger names them, in a sentence."""
    num_folds = len(held_out.split(" | "))
    if num_folds > 1:
        return f"Dev EER is the mean over {num_folds} leave-attack-out folds: {held_out}"
    if held_out:
        return f"Dev EER is about the attacks held out of training and no others: {held_out}"
    return "Dev EER is about all attacks of dev; none is held out of training"


def _minimised(objective: Objective) -> str:
    return f"The study minimises the {objective.label}: {objective.meaning}"


def _contradictions(study: Study, folds: Folds, begun: BegunStudy) -> tuple[str, ...]:
    found = []
    if named(folds) != begun.held_out:
        found.append(
            f"[validation] of the study file holds out {named(folds) or 'no attack'}, the study began with "
            f"{begun.held_out or 'none'}: passes and rungs are counted by the file, and are wrong until it is restored"
        )
    search = study.config.search
    for name, now, before in (
        ("objective", search.objective, begun.objective),
        ("second_objective", search.second_objective, begun.second_objective),
    ):
        if (now or "") != before:
            found.append(f"search.{name} of the study file is {now or 'none'}, the study began with {before or 'none'}")
    return tuple(found)
