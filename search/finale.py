"""What follows a sweep: finalists, champion, report."""

from collections.abc import Sequence

from rich.console import Console

from cluster.ray_session import ray_session
from data_prep.shards import ShardSet
from search.finalist_runs import FinalistRuns
from search.finalists import Finalist, Standing, run_finalists, select, standings
from search.horizon import horizon_of
from search.leaderboard import summarise
from search.ledger import TrialRecord
from search.registry import Champion, register_champion
from search.report import StudyOutcome, print_summary, write_report
from search.study import Study
from search.sweep import num_training_utterances, open_ledger
from search.sweep_log import sweep_log
from search.tracking_store import check_reachable, open_client, open_experiment


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
    with sweep_log(study.folder / "sweep.log"):
        check_reachable(study.tracking_uri)
        trials, parent_run_id = _read_ledger(study, shards.shard_set_id)
        ranking, champion = _crown(study, shards, trials, parent_run_id, console)
    horizon = horizon_of(study.config, num_training_utterances(shards.index))
    summary = summarise(trials, horizon.rungs, horizon.budget, horizon.samples_per_pass)
    outcome = StudyOutcome(trials, horizon, summary, ranking, champion, study.tracking_uri)
    print_summary(outcome, console, write_report(outcome, study.folder / "report"))
    return outcome


def _crown(
    study: Study, shards: ShardSet, trials: Sequence[TrialRecord], parent_run_id: str, console: Console
) -> tuple[list[Standing], Champion]:
    config = study.config
    client = open_client(study.tracking_uri)
    artifacts = study.output / "mlartifacts" if config.mlflow.tracking_uri is None else None
    experiment_id = open_experiment(client, config.mlflow.experiment, artifacts)
    runs = FinalistRuns(client, experiment_id, study.name, parent_run_id)
    run_ids: dict[str, str] = {}

    def record(finalist: Finalist) -> None:
        run_ids[finalist.candidate.name] = runs.record(finalist)

    candidates = select(trials, config.finalists, config.study.seed)
    with ray_session(config.cluster):
        finalists = run_finalists(candidates, shards, study.folder / "finalists", config.cluster, console, record)
    ranking = standings(finalists)
    return ranking, register_champion(client, study.name, shards, ranking, run_ids)


def _read_ledger(study: Study, shard_set_id: str) -> tuple[Sequence[TrialRecord], str]:
    ledger = open_ledger(study, shard_set_id)
    try:
        return ledger.trials(), ledger.run_id(None) or ""
    finally:
        ledger.close()
