"""Records a sweep in MLflow, off the critical path.

Events go to a journal file in the study's folder; a thread sends them about once a second, one batch a run. While the
server is away they wait in the journal, for the rest of this sweep or for the next one. Sending an event twice does no
harm: metrics are told apart by key, step, time and value, and runs by the identifier that the ledger holds or by tags.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Dataset, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from cluster.errors import SpoofsweepError
from deploy.models import RUN_ARTIFACT
from search.ledger.ledger import Ledger
from search.study.objective import EER
from search.tracking.journal import Journal
from search.tracking.lineage_tags import lineage_tags
from search.tracking.trial_runs import TrialRuns
from search.trials.trial_record import ARITHMETIC, TrialRecord

_logger = logging.getLogger("spoofsweep.tracking")
_INTERVAL_S = 1.0
_LONGEST_DELAY_S = 60.0
_SILENT_S = 5.0
"""At the end of a sweep, before it says that it waits for MLflow."""
_BATCH = 1000
_STATUS = {"COMPLETE": "FINISHED", "PRUNED": "FINISHED", "FAIL": "FAILED", "WAITING": "SCHEDULED"}
_REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST"}
"""Error codes of events that no repetition will make acceptable."""
_PASSING_FAULTS = (MlflowException, requests.RequestException, sqlalchemy.exc.SQLAlchemyError, OSError, SpoofsweepError)
Event = dict[str, Any]


class Tracker:
    """A conductor's listener that makes one MLflow run a trial, under one parent run a study.

    Args:
        client: of the tracking server or database.
        experiment_id: experiment of all runs.
        ledger: where run identifiers are kept.
        study_name: name of the parent run.
        journal_path: file that holds what has not been sent yet.
        tags: given to every trial's run.
        dataset: what the trials train on, from ``dataset_of``.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        ledger: Ledger,
        study_name: str,
        journal_path: Path,
        tags: Mapping[str, str],
        dataset: Dataset,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._ledger, self._clock = client, ledger, clock
        self._journal = Journal(journal_path)
        may_be_unknown = not self._journal.is_empty
        self._runs = TrialRuns(client, experiment_id, ledger, study_name, tags, dataset, may_be_unknown)
        self._is_settled = not ledger.trials()
        self._resumed_at: dict[int, int] = {}
        self._wake = threading.Event()
        self._deadline: float | None = None
        self._patience_s = 0.0
        self._thread = threading.Thread(target=self._work, name="spoofsweep-tracking", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._append(None, "start")
        self._thread.start()

    def trial_started(self, trial: TrialRecord) -> None:
        tags = {
            "spoofsweep.kind": "trial",
            "spoofsweep.trial_number": str(trial.number),
            "spoofsweep.state": trial.state,
            "spoofsweep.seed": str(trial.seed),
            "spoofsweep.signature": str(trial.attributes.get("signature", "")),
            "spoofsweep.config": trial.config.model_dump_json(),
        }
        if trial.lineage:
            origin = {name: str(trial.attributes[name]) for name in ("parent", "replaces")}
            origin |= {"forked_at": str(trial.forked_at), **lineage_tags(trial.lineage)}
            tags |= {f"spoofsweep.{name}": value for name, value in origin.items()}
        params = {name: str(value) for name, value in trial.params.items()}
        self._resumed_at[trial.number] = trial.samples_seen
        is_resumed = trial.attributes.get("attempt", 1) > 1
        self._append(trial.number, "start", tags=tags, params=params, resumed=is_resumed)

    def trial_reported(self, trial: TrialRecord) -> None:
        # The last report of an earlier attempt comes again, for nobody knows whether it ever got here.
        again = trial.samples_seen <= self._resumed_at[trial.number]
        metrics = dict(trial.attributes["metrics"])
        self._append(trial.number, "report", step=trial.samples_seen, metrics=metrics, again=again)

    def trial_ended(self, trial: TrialRecord) -> None:
        tags = {"spoofsweep.state": trial.state}
        for name in ("prune_rung", "reason", "postponed", "attempt", *ARITHMETIC):
            if trial.attributes.get(name) is not None:
                tags[f"spoofsweep.{name}"] = str(trial.attributes[name])
        self._append(trial.number, "end", tags=tags, status=_STATUS[trial.state])

    def model_kept(self, number: int, folder: Path) -> None:
        """Upload a trial's model folder to its run, under ``model_folder``."""
        self._append(number, "model", folder=str(folder))

    def study_ended(self, metrics: Mapping[str, float], status: str) -> None:
        """Record the sweep's own figures and status in the parent run."""
        self._append(None, "report", step=0, metrics=dict(metrics))
        self._append(None, "end", tags={}, status=status)

    def close(self, timeout_s: float = 30.0, say: Callable[[str], None] = _logger.info) -> bool:
        """Send what is left, until nothing more was taken for ``timeout_s``; told by ``say`` if it takes a while.

        Returns:
            Whether everything was sent; what was not stays in the journal for the study's next sweep.
        """
        self._patience_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._wake.set()
        self._thread.join(_SILENT_S)
        if self._thread.is_alive():
            say("MLflow is being given what it lacks; the ledger has everything.")
        while self._thread.is_alive() and time.monotonic() < self._deadline + _LONGEST_DELAY_S:
            self._thread.join(_INTERVAL_S)
        is_sent = self._journal.is_empty
        self._journal.close()
        return is_sent

    def _append(self, trial: int | None, kind: str, **content: Any) -> None:
        self._journal.append({"trial": trial, "kind": kind, "time_ms": int(self._clock() * 1000), **content})

    def _work(self) -> None:
        delay = _INTERVAL_S
        while self._deadline is None or (not self._journal.is_empty and time.monotonic() < self._deadline):
            try:
                self._send_some()
                delay = _INTERVAL_S
            except _PASSING_FAULTS as error:
                self._runs.may_be_unknown = True
                _logger.warning("MLflow did not take the latest results, trying again in %.0f s: %s", delay, error)
                delay = min(2 * delay, _LONGEST_DELAY_S)
                if self._deadline is not None:
                    time.sleep(min(_INTERVAL_S, max(0.0, self._deadline - time.monotonic())))
            self._wake.wait(delay)

    def _send_some(self) -> None:
        events, offset = self._journal.read()
        by_trial: dict[int | None, list[Event]] = {}
        for event in events:
            by_trial.setdefault(event["trial"], []).append(event)
        # The parent's end comes after its children's.
        for trial in sorted(by_trial, key=lambda trial: math.inf if trial is None else trial):
            try:
                self._send(trial, by_trial[trial])
            except MlflowException as error:
                if error.error_code not in _REFUSALS:
                    raise
                _logger.error("MLflow refused %d events of trial %s, dropped: %s", len(by_trial[trial]), trial, error)
            if self._deadline is not None:
                self._deadline = time.monotonic() + self._patience_s
        if events:
            self._journal.acknowledge(offset)
            self._runs.may_be_unknown = False
        if not self._is_settled:
            self._settle()
            self._is_settled = True

    def _settle(self) -> None:
        """End the runs of trials whose end an earlier driver wrote into the ledger, and was killed."""
        states = {str(trial.number): trial.state for trial in self._ledger.trials()}
        for run_id, number in self._runs.running().items():
            state = states.get(number)
            if state in _STATUS:
                self._client.set_tag(run_id, "spoofsweep.state", state)
                self._set_status(run_id, {"status": _STATUS[state], "time_ms": int(self._clock() * 1000)})

    def _send(self, trial: int | None, events: list[Event]) -> None:
        begun = next((event for event in events if event["kind"] == "start"), {**events[0], "tags": {}})
        if trial is None:
            run_id = self._runs.of_study(begun["time_ms"])
        else:
            run_id = self._runs.of_trial(trial, begun["time_ms"], begun["tags"])
        metrics = [
            Metric(name, value, event["time_ms"], event["step"])
            for event in self._reports(run_id, events)
            for name, value in event["metrics"].items()
            if not math.isinf(value)  # of infinity MLflow makes 1.8e308, which flattens its charts
        ]
        drawn = {name: value for event in events for name, value in event.get("params", {}).items()}
        params = [Param(name, value) for name, value in drawn.items()]
        turns = [event for event in events if event["kind"] == "end" or event.get("resumed")]
        told = {name: value for event in turns for name, value in event["tags"].items()}
        tags = [RunTag(name, value) for name, value in told.items()]
        for first in range(0, max(len(metrics), 1), _BATCH - len(params) - len(tags)):
            batch = metrics[first : first + _BATCH - len(params) - len(tags)]
            if batch or params or tags:
                self._client.log_batch(run_id, batch, params, tags)
        for event in events:
            # By the time a server is back, a better trial may have taken a model's place.
            if event["kind"] == "model" and Path(event["folder"]).is_dir():
                self._upload(run_id, event["folder"])
        if turns:
            self._set_status(run_id, turns[-1])

    def _reports(self, run_id: str, events: list[Event]) -> list[Event]:
        """Those that the run does not have."""
        reports = [event for event in events if event["kind"] == "report"]
        if not any(event.get("again") for event in reports):
            return reports
        there = {metric.step for metric in self._client.get_metric_history(run_id, EER.metric)}
        missing = []
        for event in reports:
            if not (event["again"] and event["step"] in there):
                missing.append(event)
            there.add(event["step"])
        return missing

    def _set_status(self, run_id: str, turn: Event) -> None:
        """As the last start or end of a trial says."""
        status = turn.get("status", "RUNNING")
        if status in ("RUNNING", "SCHEDULED"):
            self._client.update_run(run_id, status=status)
        else:
            self._client.set_terminated(run_id, status, turn["time_ms"])

    def _upload(self, run_id: str, folder: str) -> None:
        try:
            self._client.log_artifacts(run_id, folder, RUN_ARTIFACT)
        except MlflowException:
            raise
        except Exception as error:
            raise OSError(f"the artefact store did not take {folder}: {error}") from error
