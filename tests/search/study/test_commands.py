"""Commands that reports and cards suggest, by running them."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from search.cli import app
from search.reporting.report import StudyOutcome, next_commands
from search.study.commands import Commands
from search.study.study import Study


class Replaced(Exception):  # noqa: N818 - no error: the process has become another program
    """What `os.execv` would have started."""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that has no results of any study."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: str, sample_root: Path) -> str:
    program, *arguments = shlex.split(command)
    assert program == "spoofsweep"
    file = next((sample_root / "ASVspoof2019_LA_dev" / "flac").iterdir())
    arguments = [str(file) if argument == "FILE..." else argument for argument in arguments]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    return result.output


def suggested(tiny_study: Study, tiny_outcome: StudyOutcome) -> list[str]:
    """By the report, and by the card."""
    card = MlflowClient(tiny_study.tracking_uri).get_model_version("tiny", "1").description
    lines = card.partition("## Use")[2].split("```")[1].strip().splitlines()
    return [*(command for _, command in next_commands(tiny_outcome)), *lines]


def test_suggested_commands_work_in_any_folder(
    tiny_study: Study,
    tiny_outcome: StudyOutcome,
    sample_root: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def replace(program: str, arguments: list[str]) -> None:
        raise Replaced(program, arguments)

    monkeypatch.setattr(os, "execv", replace)
    commands = suggested(tiny_study, tiny_outcome)
    assert [command.split()[1] for command in commands] == ["ui", "detect", "reproduce", "detect", "reproduce"]
    with pytest.raises(Replaced) as replaced:
        run(commands[0], sample_root)
    program, arguments = replaced.value.args
    assert program == sys.executable
    assert arguments[arguments.index("--backend-store-uri") + 1] == tiny_study.tracking_uri
    for command in dict.fromkeys(commands[1:]):
        shown = run(command, sample_root)
        assert ("same: every report" if "reproduce" in command else "LA_D_") in shown
    assert list(elsewhere.iterdir()) == []


def test_only_what_is_the_default_is_left_out(elsewhere: Path) -> None:
    (elsewhere / "results").mkdir()

    def commands(output: Path) -> Commands:
        return Commands("s", f"sqlite:///{output / 'mlflow.db'}", output / "shards")

    default, other = commands(elsewhere / "results"), commands(Path("/results"))
    assert default.detect() == "spoofsweep detect FILE... --model champion@s"
    assert default.reproduce("abc") == "spoofsweep reproduce abc"
    assert other.detect().endswith(" --model champion@s --tracking-uri sqlite:////results/mlflow.db")
    assert other.reproduce("abc").endswith(" --tracking-uri sqlite:////results/mlflow.db --shards /results/shards")


def test_a_password_is_left_to_the_environment() -> None:
    commands = Commands("s", "postgresql://me:secret@host/runs", Path("/my shards"))
    assert commands.environment == ["export MLFLOW_TRACKING_URI='postgresql://me:***@host/runs'"]
    assert commands.detect() == "spoofsweep detect FILE... --model champion@s"
    assert commands.reproduce("abc") == "spoofsweep reproduce abc --shards '/my shards'"
    assert Commands("s", "http://host:5000", Path("x")).environment == []


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["ui", *arguments], env={"COLUMNS": "160"})


def test_ui_makes_no_database(elsewhere: Path) -> None:
    result = invoke()
    assert "must be reachable; got sqlite:///results/mlflow.db (no such file)" in str(result.exception)
    assert list(elsewhere.iterdir()) == []


def test_ui_shows_no_password() -> None:
    result = invoke("--tracking-uri", "http://me:secret@host:5000")
    assert result.output == "The tracking server has its own page: http://me:***@host:5000\n"


def test_ui_of_a_study_and_of_another_store_are_two_things(tiny_study: Study) -> None:
    result = invoke(str(tiny_study.path), "--tracking-uri", "http://host:5000")
    assert "a study has its own tracking store" in str(result.exception)
