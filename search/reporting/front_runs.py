"""The Pareto front of a study in MLflow: a tag on its trials' runs, table and figure in the study's own run."""

from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient

from search.trials.trial_record import TrialRecord

FRONT_FIGURE, FRONT_TABLE = "pareto.png", "pareto.md"
TAG = "spoofsweep.pareto"


def record_front(
    client: MlflowClient, parent_run_id: str, trials: Sequence[TrialRecord], front: Sequence[TrialRecord], report: Path
) -> None:
    """Tag the runs of a front, take the tag from those that another trial has come to dominate, and log its files.

    Args:
        client: of the tracking store.
        parent_run_id: the study's own run.
        trials: of the study.
        front: those on the front.
        report: folder of the report, with the front's figure and table.
    """
    on_front = {trial.number for trial in front}
    tagged = _tagged(client, parent_run_id)
    for trial in trials:
        run_id = trial.attributes.get("mlflow_run_id")
        if run_id is not None and (trial.number in on_front) != (run_id in tagged):
            client.set_tag(run_id, TAG, str(trial.number in on_front).lower())
    for name in (FRONT_FIGURE, FRONT_TABLE):
        client.log_artifact(parent_run_id, str(report / name), "pareto")


def _tagged(client: MlflowClient, parent_run_id: str) -> set[str]:
    experiment_id = client.get_run(parent_run_id).info.experiment_id
    query = f"tags.`mlflow.parentRunId` = '{parent_run_id}' and tags.`{TAG}` = 'true'"
    found, token = set[str](), None
    while True:
        page = client.search_runs([experiment_id], query, max_results=1000, page_token=token)
        found |= {run.info.run_id for run in page}
        token = page.token
        if not token:
            return found
