"""What follows a sweep, while its MLflow server comes and goes."""

import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient
from rich.console import Console
from tracking_server import tracking_server

from data_prep.shards import ShardSet
from search.finale import conclude
from search.study.study import Study, load_study
from search.sweep.sweep import run_sweep


@pytest.mark.slow
def test_mlflow_goes_away_while_finalists_train(
    tiny_study: Study, tiny_shards: ShardSet, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Slow: starts `mlflow server` three times, and trains finalists."""
    artifacts = ("--artifacts-destination", str(tmp_path / "artifacts"))
    with tracking_server(f"sqlite:///{tmp_path}/served.db", artifacts) as server:
        text = tiny_study.path.read_text().replace(str(tiny_study.output), str(tmp_path / "out"))
        path = tmp_path / "study.toml"
        path.write_text(text + f'[mlflow]\ntracking_uri = "{server.uri}"\n')
        study = load_study(path)
        run_sweep(study, tiny_shards)
        is_over = threading.Event()

        def come_and_go() -> None:
            for _ in range(2):
                server.stop()
                time.sleep(3)
                server.start()
                is_over.wait(4)

        outages = threading.Thread(target=come_and_go)
        outages.start()
        outcome = conclude(study, tiny_shards, Console())
        is_over.set()
        outages.join()
        client = MlflowClient(server.uri, server.uri)
        experiment = client.get_experiment_by_name("spoofsweep").experiment_id
        runs = client.search_runs([experiment], "tags.`spoofsweep.kind` = 'finalist'")
        assert Counter(run.info.run_name for run in runs) == Counter(
            f"finalist-{standing.trial_number:05d}-seed-{seed}" for standing in outcome.ranking for seed in (1, 2)
        )
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert [version.version for version in client.search_model_versions(f"name = '{study.name}'")] == ["1"]
        assert client.get_model_version_by_alias(study.name, "champion").run_id == outcome.champion.run_id
    shown = capfd.readouterr().out
    assert "MLflow is away" in shown
    assert "View run" not in shown
