"""The main job on a team's stores: PostgreSQL for ledger and MLflow, an object store for shards and artefacts."""

import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import yaml
from mlflow import MlflowClient
from object_store import object_store
from postgres_server import PostgresServer
from tracking_server import tracking_server

from cluster.launch_files import TEMPLATES
from search.ledger.study_reader import read_trials
from search.study.study import Study, load_study

SERVICES = yaml.safe_load((TEMPLATES / "services.yaml").read_text())["services"]


def services_options() -> list[str]:
    """Of services.yaml's MLflow server; of two values of an option the last one counts."""
    return str(SERVICES["mlflow"]["command"]).split()[2:]


def team_study(tiny_study: Study, folder: Path, storage: str, tracking_uri: str) -> Study:
    """The session's small study, with nothing of it here but the models of its trials."""
    text = tiny_study.path.read_text().replace(str(tiny_study.output), str(folder / "out"))
    for before, after in (
        ("seed = 3", f'seed = 3\nstorage = "{storage}"'),
        ("[trial]", f'[mlflow]\ntracking_uri = "{tracking_uri}"\n[shards]\nstore = "s3://spoofsweep/shards"\n[trial]'),
        ("num_trials = 4", "num_trials = 2"),
        ("num_configs = 2", "num_configs = 1"),
        ("num_seeds = 2", "num_seeds = 1"),
    ):
        assert before in text
        text = text.replace(before, after)
    path = folder / "study.toml"
    path.write_text(text)
    return load_study(path)


@pytest.mark.slow
def test_from_the_corpus_to_the_champion(
    tiny_study: Study, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow: a sweep with shards of its own, in a process of its own, and the start of two servers."""
    with object_store(tmp_path) as objects:
        for name, value in objects.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SPOOFSWEEP_CACHE", str(tmp_path / "cache"))
        for bucket in ("mlflow", "spoofsweep"):
            boto3.client("s3").create_bucket(Bucket=bucket)
        with tracking_server(postgres.new_database("mlflow"), services_options()) as server:
            study = team_study(tiny_study, tmp_path, postgres.new_database("optuna"), server.uri)
            command = [sys.executable, "-P", "-m", "search", "sweep", str(study.path)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, done.stderr
            check_stores(study, server.uri)


def check_stores(study: Study, tracking_uri: str) -> None:
    assert [trial.state for trial in read_trials(study.storage_url, study.name).trials] == ["COMPLETE", "COMPLETE"]
    client = MlflowClient(tracking_uri, tracking_uri)
    champion = client.get_model_version_by_alias(study.name, "champion")
    assert client.get_run(champion.run_id).data.tags["spoofsweep.kind"] == "finalist"
    for bucket, ending in (("mlflow", "model.safetensors"), ("spoofsweep", "manifest.json")):
        keys = [item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
        assert any(key.endswith(ending) for key in keys), keys
    assert not list(study.output.glob("*.db"))
    assert not list(study.output.glob("shards/**/manifest.json"))
