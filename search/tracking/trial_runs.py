"""A study's MLflow runs, one a trial below one of the study: found again, or made."""

import json
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID

from search.ledger.ledger import Ledger


class TrialRuns:
    """Which run is whose; the ledger keeps the answer for the next driver.

    Args:
        client: of the tracking server or database.
        experiment_id: experiment of all runs.
        ledger: where run identifiers are kept.
        study_name: name of the parent run.
        tags: given to every trial's run.
        dataset: what the trials train on, from ``dataset_of``.

    Attributes:
        may_be_unknown: whether MLflow may have runs of which the ledger was not told, so that they are looked for.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        ledger: Ledger,
        study_name: str,
        tags: Mapping[str, str],
        dataset: Dataset,
        may_be_unknown: bool,
    ) -> None:
        self._client, self._experiment_id, self._ledger, self._study = client, experiment_id, ledger, study_name
        self._tags, self._dataset, self.may_be_unknown = dict(tags), dataset, may_be_unknown
        self._parent_id: str | None = None
        self._run_ids: dict[int, str] = {}

    def of_trial(self, trial: int, time_ms: int, tags: Mapping[str, str]) -> str:
        """Identifier of a trial's run.

        Args:
            time_ms: since the epoch, when it began.
            tags: the trial's own, for a run that is yet to be made.
        """
        if trial not in self._run_ids:
            self._run_ids[trial] = self._ledger.run_id(trial) or self._make(trial, time_ms, tags)
        return self._run_ids[trial]

    def of_study(self, time_ms: int) -> str:
        """Identifier of the parent run, which is open again."""
        if self._parent_id is None:
            known = self._ledger.run_id(None) or self._find("tags.`spoofsweep.kind` = 'study'")
            if known is None or not self._reopen(known):
                tags = {**self._tags, "spoofsweep.study": self._study, "spoofsweep.kind": "study"}
                known = self._create(self._study, time_ms, tags)
            self._parent_id = self._adopt(None, known)
        return self._parent_id

    def running(self) -> dict[str, str]:
        """Identifiers of the study's open runs, with the numbers of their trials; the study's own run has none."""
        query = f"attributes.status = 'RUNNING' and tags.`spoofsweep.study` = '{self._study}'"
        runs = self._client.search_runs([self._experiment_id], query, max_results=1000)
        return {run.info.run_id: run.data.tags.get("spoofsweep.trial_number", "") for run in runs}

    def _make(self, trial: int, time_ms: int, tags: Mapping[str, str]) -> str:
        known = {"spoofsweep.kind": "trial", "spoofsweep.trial_number": str(trial), "spoofsweep.study": self._study}
        tags = {**self._tags, **tags, **known, MLFLOW_PARENT_RUN_ID: self.of_study(time_ms)}
        run_id = self._find(f"tags.`spoofsweep.kind` = 'trial' and tags.`spoofsweep.trial_number` = '{trial}'")
        return self._adopt(trial, run_id or self._create(f"trial-{trial:05d}", time_ms, tags))

    def _reopen(self, run_id: str) -> bool:
        try:
            self._client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            return False  # the run was deleted, or the study moved to another tracking store
        return True

    def _find(self, condition: str) -> str | None:
        if not self.may_be_unknown:
            return None
        query = f"{condition} and tags.`spoofsweep.study` = '{self._study}'"
        runs = self._client.search_runs([self._experiment_id], query, max_results=1)
        return runs[0].info.run_id if runs else None

    def _create(self, name: str, time_ms: int, tags: Mapping[str, str]) -> str:
        return self._client.create_run(self._experiment_id, time_ms, dict(tags), name).info.run_id

    def _adopt(self, trial: int | None, run_id: str) -> str:
        """Complete a run that was just made, or found after its maker's answer was lost; harmless to repeat."""
        context = InputTag(MLFLOW_DATASET_CONTEXT, "training")
        self._client.log_inputs(run_id, [DatasetInput(self._dataset, [context])])
        self._ledger.set_run_id(trial, run_id)
        return run_id


def dataset_of(shard_set_id: str, folder: Path, rows_by_split: Mapping[str, int]) -> Dataset:
    """MLflow's description of a shard set: named and digested by its identity."""
    return Dataset(
        name=shard_set_id,
        digest=shard_set_id[:36],
        source_type="local",
        source=json.dumps({"uri": folder.absolute().as_uri()}),
        profile=json.dumps({"num_rows": sum(rows_by_split.values()), "rows_by_split": dict(rows_by_split)}),
    )
