"""What follows a sweep: finalists, champion, report."""

import time
from collections.abc import Sequence

import requests
from mlflow.exceptions import MlflowException
from rich.console import Console

from cluster.errors import SpoofsweepError
from cluster.ray_session import ray_session
from data_prep.shards import ShardSet
from deploy.tracking_store import check_reachable, new_client, open_experiment, unreachable
from search.finalists.candidates import select
from search.finalists.finalist_runs import FinalistRuns, log_metrics
from search.finalists.finalist_training import run_finalists
from search.finalists.finalists import Finalist, Standing, standings
from search.finalists.tandem import Tandem, read_tandem
from search.ledger.leaderboard import summarise
from search.pruning.horizon import horizon_of
from search.pruning.pruners import learnt_trust
from search.reporting.front_runs import record_front
from search.reporting.registry import Champion, register_champion
from search.reporting.report import StudyOutcome, print_summary, write_report
from search.study.study import Study
from search.sweep.driver_lock import driver_lock
from search.sweep.sweep import open_ledger
from search.sweep.sweep_log import sweep_log
from search.trials.trial_record import TrialRecord
from trainable.data.hold_out import Folds, samples_per_pass


def conclude(study: Study, shards: ShardSet, console: Console | None = None) -> StudyOutcome:
    """Train the finalists, register the champion, write the report and print the summary.

    May be called again at any time: finished trainings are kept, and a champion that is still the same stays the
    version that it is.

    Args:
        study: the study, its sweep at an end.
        shards: its data.
        console: for the summary and, on a terminal, progress.

    Raises:
        SpoofsweepError: no trial was completed, a training failed, or MLflow cannot be reached.
    """
    console = console or Console()
    with driver_lock(study.folder), sweep_log(study.folder / "sweep.log"):
        check_reachable(study.tracking_uri)
        folds = study.folds(shards.index)
        trials, parent_run_id = _read_ledger(study, shards.shard_set_id, folds)
        tandem = read_tandem(study)
        try:
            ranking, champion = _crown(study, shards, folds, trials, tandem, parent_run_id, console)
        except (MlflowException, requests.RequestException) as error:
            raise unreachable(study.tracking_uri, error) from error
    horizon = horizon_of(study.config, samples_per_pass(shards.index, folds))
    trust = learnt_trust(study.config.search, horizon, study.config.study.seed, trials)
    summary = summarise(
        trials, horizon.rungs, horizon.budget, horizon.samples_per_pass, trust, study.objective, study.second
    )
    outcome = StudyOutcome(trials, horizon, summary, ranking, champion, study)
    report = write_report(outcome, study.folder / "report")
    if summary.second is not None:
        try:
            record_front(new_client(study.tracking_uri), parent_run_id, trials, summary.front, report.parent)
        except (MlflowException, requests.RequestException) as error:
            raise unreachable(study.tracking_uri, error) from error
    print_summary(outcome, console, report)
    return outcome


def _crown(
    study: Study,
    shards: ShardSet,
    folds: Folds,
    trials: Sequence[TrialRecord],
    tandem: Tandem,
    parent_run_id: str,
    console: Console,
) -> tuple[list[Standing], Champion]:
    config = study.config
    client = new_client(study.tracking_uri)
    experiment_id = open_experiment(client, config.mlflow.experiment, study.artifact_folder)
    runs = FinalistRuns(client, experiment_id, study.name, parent_run_id)
    run_ids: dict[str, str] = {}

    def record(finalist: Finalist) -> None:
        run_ids[finalist.candidate.name] = runs.record(finalist)

    stopped_too = config.search.pruning == "pasha"  # it need not train any to its end
    candidates = select(trials, config.finalists, config.study.seed, folds, study.objective, study.second, stopped_too)
    with ray_session(config.cluster):
        place = study.folder / "finalists"
        finalists = run_finalists(candidates, shards, place, config.cluster, console, record, tandem)
    ranking = standings(finalists)
    champion = register_champion(client, study.name, shards, ranking, run_ids)
    points = [(0, name, value) for name, value in _figures(ranking).items()]
    log_metrics(client, parent_run_id, time.time_ns() // 1_000_000, points)
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


def _read_ledger(study: Study, shard_set_id: str, folds: Folds) -> tuple[Sequence[TrialRecord], str]:
    ledger = open_ledger(study, shard_set_id, folds)
    try:
        run_id = ledger.run_id(None)
        if run_id is None:
            raise SpoofsweepError("MLflow must know the study before its finalists", study.name, "run the sweep again")
        return ledger.trials(), run_id
    finally:
        ledger.close()
