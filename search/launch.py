"""The whole main job: shards, sweep, finalists, champion, report."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from cluster.ray_session import ray_session
from data_prep.prepare import prepare
from data_prep.shards import ShardSet
from deploy.tracking_store import check_reachable
from search.finale import conclude
from search.horizon import Horizon, horizon_of
from search.leaderboard import Summary, summarise
from search.ledger import TrialRecord, read_trials
from search.preview import preview
from search.report import StudyOutcome
from search.study import Study
from search.sweep import run_sweep
from search.sweep_log import sweep_log
from trainable.hold_out import samples_per_pass


def launch(study: Study, console: Console) -> StudyOutcome | None:
    """Run a study from its corpus to its champion; none if it was stopped before it had all its trials.

    Raises:
        SpoofsweepError: anything that cannot work, before it costs compute where it can be known before.
    """
    preview(study)
    with sweep_log(study.folder / "sweep.log"):
        check_reachable(study.tracking_uri)
    with ray_session(study.config.cluster):
        shards = prepare(study.prep, study.base, study.output, console=console, page=True)
        result = run_sweep(study, shards, console=console)
        if result.stop_reason is not None:
            console.print(
                f"Stopped: {escape(result.stop_reason)}. The same command goes on from here.", highlight=False
            )
            return None
        if not result.is_tracked:
            console.print("MLflow did not take everything; what is left waits, and the same command sends it.")
        return conclude(study, shards, console)


def read_summary(study: Study) -> tuple[Sequence[TrialRecord], Summary, Horizon]:
    """What the ledger holds of a study, without touching it; works while a sweep runs.

    Raises:
        SpoofsweepError: the study was never started, or its shards are gone.
    """
    trials, shard_set_id = read_trials(study.storage_url, study.name)
    shards = ShardSet.open(study.shards_folder / shard_set_id, shard_set_id)
    horizon = horizon_of(study.config, samples_per_pass(shards.index, study.folds(shards.index)))
    return trials, summarise(trials, horizon.rungs, horizon.budget, horizon.samples_per_pass), horizon
