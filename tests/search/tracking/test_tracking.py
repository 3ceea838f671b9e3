"""What reaches MLflow, also when it is away for a while."""

import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tracking_server import tracking_server

from cluster.errors import SpoofsweepError
from deploy.tracking_store import check_reachable, new_client, open_experiment
from search.ledger.ledger import Ledger
from search.tracking.journal import Journal
from search.tracking.tracking import Tracker
from search.tracking.trial_runs import dataset_of
from search.trials.trial_record import TrialRecord
from trainable.config import TrialConfig
from trainable.scores.report import WORST_DEV


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
    check_reachable(uri)
    return uri


class Store:
    """A store with an experiment of its own; opens trackers on it."""

    def __init__(self, uri: str, ledger: Ledger, folder: Path) -> None:
        self.client, self._ledger, self._folder = new_client(uri), ledger, folder
        self.experiment_id = open_experiment(self.client, folder.name, folder / "artifacts")

    def tracker(self, client: Any = None) -> Tracker:
        dataset = dataset_of("abc", self._folder, {"train": 3})
        journal = self._folder / "journal.jsonl"
        return Tracker(client or self.client, self.experiment_id, self._ledger, "study", journal, {}, dataset)

    def runs(self) -> dict[str, Any]:
        found = self.client.search_runs([self.experiment_id])
        assert len({run.info.run_name for run in found}) == len(found)
        return {run.info.run_name: run for run in found}

    def history(self, name: str) -> list[tuple[int, float]]:
        metrics = self.client.get_metric_history(self.runs()[name].info.run_id, "dev_eer")
        return sorted((metric.step, metric.value) for metric in metrics)


@pytest.fixture
def store(tracking_uri: str, ledger: Ledger, tmp_path: Path) -> Store:
    return Store(tracking_uri, ledger, tmp_path)


def report(tracker: Tracker, trial: TrialRecord, samples_seen: int, metrics: dict[str, float]) -> None:
    attributes = {**trial.attributes, "metrics": metrics}
    tracker.trial_reported(replace(trial, reports={samples_seen: metrics["dev_eer"]}, attributes=attributes))


def run_trial(tracker: Tracker, ledger: Ledger, num_reports: int = 3) -> TrialRecord:
    trial = ledger.ask()
    tracker.trial_started(trial)
    for step in range(1, num_reports + 1):
        report(tracker, trial, 100 * step, {"dev_eer": 0.5 / step})
    ledger.finish(trial.number, "PRUNED", prune_rung=300)
    tracker.trial_ended(replace(trial, state="PRUNED", attributes={**trial.attributes, "prune_rung": 300}))
    return trial


def test_runs_metrics_and_models(store: Store, ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    tracker = store.tracker()
    tracker.start()
    trial = run_trial(tracker, ledger)
    tracker.model_kept(trial.number, tmp_path / "model")
    tracker.study_ended({"compute_saved": 0.5}, "FINISHED")
    assert tracker.close()
    runs = store.runs()
    assert set(runs) == {"study", "trial-00000"}
    run = runs["trial-00000"]
    assert store.history("trial-00000") == [(100, 0.5), (200, 0.25), (300, 0.5 / 3)]
    assert run.data.params == {"model.dropout": str(trial.params["model.dropout"])}
    assert (run.info.status, run.data.tags["spoofsweep.prune_rung"]) == ("FINISHED", "300")
    assert run.data.tags["mlflow.parentRunId"] == runs["study"].info.run_id == ledger.run_id(None)
    assert TrialConfig.model_validate_json(run.data.tags["spoofsweep.config"]) == trial.config
    assert [file.path for file in store.client.list_artifacts(run.info.run_id, "model_folder")] == [
        "model_folder/model.json"
    ]
    assert (runs["study"].info.status, runs["study"].data.metrics) == ("FINISHED", {"compute_saved": 0.5})
    assert not list(tmp_path.glob("journal*"))


def test_of_a_diverged_trial_what_is_infinite_is_not_sent(store: Store, ledger: Ledger) -> None:
    """Cllr has no bound, and MLflow no infinity."""
    tracker = store.tracker()
    tracker.start()
    trial = ledger.ask()
    tracker.trial_started(trial)
    report(tracker, trial, 100, {**WORST_DEV, "diverged": 1.0})
    assert tracker.close()
    metrics = store.runs()["trial-00000"].data.metrics
    assert metrics.keys() == {*WORST_DEV, "diverged"} - {"dev_cllr"}
    assert metrics["dev_act_dcf"] == pytest.approx(2.9)


def test_the_next_sweep_goes_on_with_the_same_parent(store: Store, ledger: Ledger) -> None:
    for _ in range(2):
        tracker = store.tracker()
        tracker.start()
        run_trial(tracker, ledger)
        assert tracker.close()
    assert set(store.runs()) == {"study", "trial-00000", "trial-00001"}


def test_what_a_server_away_did_not_take_is_sent_by_the_next_sweep(
    store: Store, ledger: Ledger, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = new_client(f"http://127.0.0.1:{free.getsockname()[1]}")
    tracker = store.tracker(away)
    tracker.start()
    run_trial(tracker, ledger)
    assert not tracker.close(timeout_s=0.5)
    assert (tmp_path / "journal.jsonl").exists()

    tracker = store.tracker()
    tracker.start()
    run_trial(tracker, ledger)
    assert tracker.close()
    assert store.history("trial-00000") == store.history("trial-00001") == [(100, 0.5), (200, 0.25), (300, 0.5 / 3)]


def test_a_slow_server_is_given_what_is_left_as_long_as_it_takes_it(
    store: Store, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = store.tracker()
    send = tracker._send

    def send_slowly(trial: int | None, events: list[Any]) -> None:
        time.sleep(0.4)
        send(trial, events)

    monkeypatch.setattr(tracker, "_send", send_slowly)
    monkeypatch.setattr("search.tracking.tracking._LONGEST_DELAY_S", 0.0)
    tracker.start()
    for _ in range(6):
        run_trial(tracker, ledger)
    assert tracker.close(timeout_s=1.0)


class Faltering:
    """A client whose server takes a call but loses the answer, once for each kind of call."""

    def __init__(self, client: MlflowClient) -> None:
        self._client, self._lost = client, set[str]()

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            answer = getattr(self._client, name)(*args, **kwargs)
            if name not in self._lost:
                self._lost.add(name)
                raise ConnectionError(f"the answer to {name} was lost")
            return answer

        return call


def test_lost_answers_double_nothing(store: Store, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.tracking.tracking._INTERVAL_S", 0.01)
    tracker = store.tracker(Faltering(store.client))
    tracker.start()
    run_trial(tracker, ledger)
    assert tracker.close()
    assert set(store.runs()) == {"study", "trial-00000"}
    assert store.history("trial-00000") == [(100, 0.5), (200, 0.25), (300, 0.5 / 3)]
    runs = store.runs()
    assert (ledger.run_id(None), ledger.run_id(0)) == (runs["study"].info.run_id, runs["trial-00000"].info.run_id)
    assert all(len(run.inputs.dataset_inputs) == 1 for run in runs.values())


def test_a_deleted_study_run_is_made_again(store: Store, ledger: Ledger) -> None:
    for _ in range(2):
        tracker = store.tracker()
        tracker.start()
        run_trial(tracker, ledger)
        assert tracker.close()
        store.client.delete_run(ledger.run_id(None))
    assert "trial-00001" in store.runs()


def test_a_deleted_run_does_not_hold_up_the_others(store: Store, ledger: Ledger) -> None:
    tracker = store.tracker()
    ledger.set_run_id(0, "0" * 32)
    tracker.start()
    run_trial(tracker, ledger)
    run_trial(tracker, ledger)
    assert tracker.close()
    assert set(store.runs()) == {"study", "trial-00001"}


def test_unreachable_server_is_told_within_seconds() -> None:
    start_s = time.monotonic()
    with pytest.raises(SpoofsweepError, match="MLflow tracking store must be reachable"):
        check_reachable("http://user:secret@127.0.0.1:9")
    assert time.monotonic() - start_s < 10


def test_the_password_is_not_shown() -> None:
    with pytest.raises(SpoofsweepError) as error:
        check_reachable("postgresql://user:secret@127.0.0.1:9/mlflow")
    assert "secret" not in str(error.value)


def test_file_stores_are_refused_as_mlflow_refuses_them(tmp_path: Path) -> None:
    with pytest.raises(SpoofsweepError, match="MLflow"):
        check_reachable(f"file://{tmp_path}")


def test_a_deleted_experiment_is_refused(store: Store, tmp_path: Path) -> None:
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(SpoofsweepError, match="deleted"):
        open_experiment(store.client, tmp_path.name, None)


@pytest.mark.long
def test_a_real_server_away_in_the_middle(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts `mlflow server` twice: some ten seconds each."""
    monkeypatch.setattr("search.tracking.tracking._LONGEST_DELAY_S", 1.0)
    with tracking_server(f"sqlite:///{tmp_path}/served.db") as server:
        store = Store(server.uri, ledger, tmp_path)
        tracker = store.tracker()
        tracker.start()
        run_trial(tracker, ledger)
        server.stop()
        run_trial(tracker, ledger)
        time.sleep(3)
        server.start()
        assert tracker.close(60)
        assert set(store.runs()) == {"study", "trial-00000", "trial-00001"}
        assert store.history("trial-00001") == [(100, 0.5), (200, 0.25), (300, 0.5 / 3)]


def test_journal_survives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for number in range(3):
        journal.append({"number": number})
    events, _ = journal.read(max_bytes=1)
    assert events == [{"number": 0}]
    journal.acknowledge(len(json.dumps(events[0])) + 1)
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"number": 3')  # killed in the middle of a line

    reopened = Journal(path)
    reopened.append({"number": 4})
    events, offset = reopened.read()
    assert [event["number"] for event in events] == [1, 2, 4]
    assert not reopened.is_empty
    reopened.acknowledge(offset)
    reopened.close()
    assert not list(tmp_path.iterdir())
