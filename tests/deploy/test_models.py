import shutil
import socket

import pytest
from mlflow import MlflowClient

from cluster.errors import SpoofsweepError
from deploy.models import CHAMPION, find_run, resolve
from trainable.checkpoints.checkpoint import read_record


def same_model(folder, trained):
    return read_record(folder) == read_record(trained.folder)


@pytest.mark.parametrize("reference", ["champion", "champion@one"])
def test_champion(store, trained, reference):
    assert same_model(resolve(reference, store.uri), trained)


def test_run_by_its_whole_id_and_by_a_prefix(store, trained):
    assert same_model(resolve(store.run_id, store.uri), trained)
    assert same_model(resolve(store.run_id[:8], store.uri), trained)


def test_folder_needs_no_store(trained):
    assert resolve(str(trained.folder), "sqlite:////nowhere/mlflow.db") == trained.folder


def test_champions_run(store):
    assert find_run("champion", store.uri).info.run_id == store.run_id


@pytest.mark.parametrize("reference", ["0123456789", "f" * 32])
def test_unknown_run(store, reference):
    with pytest.raises(SpoofsweepError, match=f"got {reference}"):
        resolve(reference, store.uri)


def test_run_without_model_says_how_to_get_one(store):
    with pytest.raises(SpoofsweepError, match=f"spoofsweep reproduce {store.empty_run_id} --save"):
        resolve(store.empty_run_id, store.uri)


@pytest.mark.parametrize("reference", ["abc", "no such folder", "%' or 1", "winner"])
def test_what_is_no_reference(store, reference):
    with pytest.raises(SpoofsweepError, match="a run id"):
        resolve(reference, store.uri)


def test_folder_without_model(store, tmp_path):
    with pytest.raises(SpoofsweepError, match=r"model\.json"):
        resolve(str(tmp_path), store.uri)


def test_champion_of_an_unknown_study(store):
    with pytest.raises(SpoofsweepError, match="none for study two"):
        resolve("champion@two", store.uri)


def test_several_champions_are_named(store, trained, tmp_path):
    shutil.copy(store.uri.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    client.create_registered_model("two")
    source = client.get_model_version_by_alias("one", CHAMPION).source
    client.create_model_version("two", client.get_model_version_download_uri("one", "1") or source)
    client.set_registered_model_alias("two", CHAMPION, "1")
    with pytest.raises(SpoofsweepError, match="champion@one, champion@two"):
        resolve("champion", uri)
    assert same_model(resolve("champion", uri, "two"), trained)


def test_missing_database_is_not_made(tmp_path):
    with pytest.raises(SpoofsweepError, match="no such file"):
        resolve("champion", f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["sqlite:///{file}", "sqlite:{file}", "mlflow.db", "http://127.0.0.1:port"])
def test_what_is_no_store_is_a_clear_error(tmp_path, uri):
    (tmp_path / "notes.md").write_text("no database")
    with pytest.raises(SpoofsweepError, match="MLflow tracking store must be reachable"):
        resolve("champion", uri.format(file=tmp_path / "notes.md"))


def test_the_password_of_a_store_is_not_shown():
    with pytest.raises(SpoofsweepError, match=r"me:\*\*\*@127.0.0.1") as error:
        resolve("champion", "http://me:secret@127.0.0.1:9")
    assert "secret" not in str(error.value)


@pytest.mark.slow
def test_server_that_does_not_answer():
    """MLflow's client tries several times, with seconds between."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(SpoofsweepError, match="must be reachable"):
            resolve("champion", uri)


def test_a_folder_killed_in_mid_replacement_is_read_from_where_it_was_set_aside(tmp_path):
    aside = tmp_path / ".trained.previous"
    aside.mkdir()
    (aside / "model.json").touch()
    assert resolve(str(tmp_path / "trained"), "sqlite:////nowhere/mlflow.db") == aside
