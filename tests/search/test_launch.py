"""The main job as a user starts it, on shards that are there, and what stops it before any are made."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from search.cli import app
from search.launch import launch
from search.planning.preview import preview
from search.reporting.report import StudyOutcome
from search.study.study import Study, load_study
from search.sweep.driver_lock import driver_lock

Variant = Callable[..., Study]


@pytest.fixture
def variant(tiny_study: Study, tmp_path: Path) -> Variant:
    """The session's small study in an output folder of its own, with pieces of its file replaced."""

    def variant(*changes: tuple[str, str]) -> Study:
        text = tiny_study.path.read_text().replace(str(tiny_study.output), str(tmp_path / "out"))
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        path = tmp_path / "study.toml"
        path.write_text(text)
        return load_study(path)

    return variant


def warm(tiny_study: Study) -> tuple[str, str]:
    return "[trial]", f'[shards]\nstore = "{tiny_study.shards_folder}"\n[trial]'


def sweep(study: Study) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["sweep", str(study.path)], catch_exceptions=False, env={"COLUMNS": "160"})
    return result.exit_code, result.output


@pytest.mark.slow
def test_from_the_corpus_to_the_champion(variant: Variant, tiny_study: Study, tiny_shards: ShardSet) -> None:
    """Slow: a sweep with its finalist, and an MLflow store of its own."""
    study = variant(
        warm(tiny_study),
        ("num_trials = 4", "num_trials = 1"),
        ("num_configs = 2", "num_configs = 1"),
        ("num_seeds = 2", "num_seeds = 1"),
        ("high = 1e-2", "high = 2e-3"),
        ("low = 1e-3", "low = 1.5e-3"),
    )
    status, shown = sweep(study)
    assert status == 0
    assert "'optimizer.learning_rate' = 0.001 in [trial] lies outside of its [space]" in " ".join(shown.split())
    assert "tiny, version 1: trial 0, seed 1" in shown
    assert (study.folder / "report" / "report.md").is_file()
    assert not list((study.output / "shards").glob("*/manifest.json"))


@pytest.mark.long
def test_a_stopped_sweep_says_so_with_its_exit_status(
    variant: Variant, tiny_study: Study, tiny_shards: ShardSet
) -> None:
    """Slow: actors and an MLflow store of its own."""
    study = variant(warm(tiny_study), ("num_trials = 4", "num_trials = 2\nmax_failures = 0"))
    study.folder.mkdir(parents=True)
    (study.folder / "trials").write_text("where trials would leave their models")
    status, shown = sweep(study)
    assert status == 1
    assert "Stopped: " in shown
    assert "The same command goes on from here." in shown


@pytest.mark.parametrize(
    ("storage", "complaint"),
    [
        ("optuna.db", "Optuna storage must be reachable; got optuna.db"),
        ("sqlite:optuna.db", "Optuna storage must be reachable; got sqlite:optuna.db"),
        ("sqlite:////proc/none/optuna.db", "Optuna storage must be reachable; got sqlite:////proc/none/optuna.db"),
    ],
)
def test_a_storage_that_cannot_be_opened_stops_before_prep(variant: Variant, storage: str, complaint: str) -> None:
    study = variant(("seed = 3", f'seed = 3\nstorage = "{storage}"'))
    with pytest.raises(SpoofsweepError, match=complaint):
        launch(study, Console(quiet=True))
    assert not (study.output / "shards").exists()


def test_a_second_driver_stops_before_prep(variant: Variant) -> None:
    study = variant()
    with driver_lock(study.folder), pytest.raises(SpoofsweepError, match="one driver at a time"):
        launch(study, Console(quiet=True))
    assert not (study.output / "shards").exists()


def test_trials_larger_than_the_machine_stop_before_prep(
    variant: Variant, tiny_study: Study, ray_session: None
) -> None:
    store = f'[mlflow]\ntracking_uri = "{tiny_study.tracking_uri}"\n[cluster]\ncpus_per_trial = 64'
    study = variant(("[cluster]", store))
    with pytest.raises(SpoofsweepError, match="a trial needs 64 CPU cores"):
        launch(study, Console(quiet=True))
    assert not (study.output / "shards").exists()


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("crop_s = 1.0", "crop_s = 0.5", "must go on with the trial settings it began with; got batch.crop_s = 0.5"),
        ("num_filters = 20", "num_filters = 24", "must go on with the shards it began with"),
        ("[trial]", "[validation]\nfolds = 2\n[trial]", "must go on with the held-out attacks it began with"),
    ],
)
def test_what_an_existing_study_cannot_go_on_with_is_found_by_check(
    variant: Variant, tiny_study: Study, tiny_outcome: StudyOutcome, before: str, after: str, complaint: str
) -> None:
    ledger = ("seed = 3", f'seed = 3\nstorage = "{tiny_study.storage_url}"')
    preview(variant(ledger, warm(tiny_study)))
    with pytest.raises(SpoofsweepError, match=complaint):
        preview(variant(ledger, (before, after)))
