"""What follows a sweep: finalists, champion, report."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Any, TypeVar

import requests
from mlflow.exceptions import MlflowException
from rich.console import Console

from cluster.errors import SpoofsweepError
from cluster.ray_session import ray_session
from data_prep.shards import ShardSet
from deploy.tracking_store import check_reachable, new_client, open_experiment, unreachable
from search.finalists.candidates import select
from search.finalists.finalist_runs import FinalistRuns, log_metrics
from search.finalists.finalist_tasks import run_finalists
from search.finalists.finalists import Finalist, Standing, standings
from search.finalists.tandem import read_tandem
from search.ledger.leaderboard import summarise
from search.pruning.horizon import horizon_of
from search.pruning.pruners import learnt_trust
from search.reporting.front_runs import record_front
from search.reporting.registry import Champion, register_champion
from search.reporting.report import StudyOutcome, print_summary, write_report
from search.study.study import Study
from search.sweep.control import Request, Requests
from search.sweep.driver_lock import driver_lock
from search.sweep.sweep import open_ledger
from search.sweep.sweep_log import sweep_log
from search.tracking.patience import patiently
from search.trials.trial_record import TrialRecord
from trainable.data.hold_out import Folds, samples_per_pass

T = TypeVar("T")


def conclude(study: Study, shards: ShardSet, console: Console | None = None) -> StudyOutcome:
    """Train the finalists, register the champion, write the report and print the summary.

    May be called again at any time: finished trainings are kept, and a champion that is still the same stays the
    version that it is.

    Args:
        study: the study, its sweep at an end.
        shards: its data.
        console: for the summary and, on a terminal, progress.

    Raises:
        SpoofsweepError: no trial was completed, a training failed, or MLflow stays away.
        StopRequestError: the user told it to stop.
    """
    console = console or Console()

    def patient(act: Callable[[], T]) -> T:
        try:
            return patiently(act, lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True))
        except (MlflowException, requests.RequestException) as error:
            raise unreachable(study.tracking_uri, error) from error

    folds = study.folds(shards.index)
    with ExitStack() as stack:
        stack.enter_context(driver_lock(study.folder))
        stack.enter_context(sweep_log(study.folder / "sweep.log"))
        ledger = stack.enter_context(closing(open_ledger(study, shards.shard_set_id, folds)))
        patient(lambda: check_reachable(study.tracking_uri))
        trials, parent_run_id = ledger.trials(), ledger.run_id(None)
        if parent_run_id is None:
            raise SpoofsweepError("MLflow must know the study before its finalists", study.name, "run the sweep again")
        request = Requests(ledger).take
        ranking, champion = _crown(study, shards, folds, trials, parent_run_id, console, patient, request)
    horizon = horizon_of(study.config, samples_per_pass(shards.index, folds))
    trust = learnt_trust(study.config.search, horizon, study.config.study.seed, trials)
    summary = summarise(
        trials, horizon.rungs, horizon.budget, horizon.samples_per_pass, trust, study.objective, study.second
    )
    outcome = StudyOutcome(trials, horizon, summary, ranking, champion, study)
    report = write_report(outcome, study.folder / "report")
    if summary.second is not None:
        client = new_client(study.tracking_uri)
        patient(lambda: record_front(client, parent_run_id, trials, summary.front, report.parent))
    print_summary(outcome, console, report)
    return outcome


def _crown(
    study: Study,
    shards: ShardSet,
    folds: Folds,
    trials: Sequence[TrialRecord],
    parent_run_id: str,
    console: Console,
    patient: Callable[[Callable[[], Any]], Any],
    request: Callable[[], Request | None],
) -> tuple[list[Standing], Champion]:
    config, tandem = study.config, read_tandem(study)
    client = new_client(study.tracking_uri)
    experiment_id = patient(lambda: open_experiment(client, config.mlflow.experiment, study.artifact_folder))
    runs = FinalistRuns(client, experiment_id, study.name, parent_run_id)
    run_ids: dict[str, str] = {}

    def record(finalist: Finalist) -> None:
        run_ids[finalist.candidate.name] = patient(lambda: runs.record(finalist))

    stopped_too = config.search.pruning == "pasha"  # it need not train any to its end
    candidates = select(trials, config.finalists, config.study.seed, folds, study.objective, study.second, stopped_too)
    with ray_session(config.cluster):
        place = study.folder / "finalists"
        retries = config.search.max_retries
        finalists = run_finalists(candidates, shards, place, config.cluster, console, record, tandem, retries, request)
    ranking = standings(finalists)
    champion = patient(lambda: register_champion(client, study.name, shards, ranking, run_ids))
    points = [(0, name, value) for name, value in _figures(ranking).items()]
    time_ms = time.time_ns() // 1_000_000
    patient(lambda: log_metrics(client, parent_run_id, time_ms, points))
    return ranking, champion


def _figures(ranking: Sequence[Standing]) -> dict[str, float]:
    """The finalists in numbers, for the study's own run: the champion, and every configuration over its seeds."""
    champion = ranking[0].best
    figures = {f"champion_{split}_eer": champion.summary(split).eer for split in champion.splits}
    figures |= {
        f"champion_{split}_{name}": cost for split in champion.splits for name, cost in champion.costs(split).items()
    }
    for standing in ranking:
        name = f"finalist_{standing.trial_number:05d}"
        figures |= {f"{name}_best_dev_eer": standing.best.dev_eer, f"{name}_sd_dev_eer": standing.spread}
        figures[f"{name}_num_diverged"] = standing.num_diverged
        metric = standing.objective.metric
        told = {
            "mean_dev_eer": standing.mean,
            f"mean_{metric}": standing.mean_value,
            "fold_dev_eer": standing.fold_eer,
            f"fold_{metric}": standing.fold_value,
        }
        figures |= {f"{name}_{kind}": value for kind, value in told.items() if value is not None}
    return figures
