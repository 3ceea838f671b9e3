"""The commands as a user types them, on the session's small study."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from search.cli import app
from search.reporting.report import StudyOutcome
from search.spot_check import draw_utterances
from search.study.study import Study

runner = CliRunner()


def run(*arguments: str) -> str:
    result = runner.invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    return result.output


def test_every_rooms_commands_are_mounted() -> None:
    shown = run("--help")
    for command in (
        "check",
        "audit",
        "prep",
        "sweep",
        "reproduce",
        "convert",
        "corpus",
        "shards",
        "score",
        "detect",
        "resources",
    ):
        assert f" {command} " in shown


def test_check_and_dry_run_show_the_resolved_study(tiny_study: Study) -> None:
    shown = run("check", str(tiny_study.path))
    assert "4 trials, auto, 2 parameters" in shown
    assert "0.001 to 0.01, log" in shown
    assert "asha at 1 passes" in shown
    assert run("sweep", str(tiny_study.path), "--dry-run") == shown


def test_status_and_leaderboard_read_the_ledger(tiny_study: Study, tiny_outcome: StudyOutcome) -> None:
    number = tiny_outcome.summary.num_by_state["PRUNED"]
    assert f"{number} pruned" in run("status", str(tiny_study.path))
    lines = run("leaderboard", str(tiny_study.path), "--limit", "2").splitlines()
    assert sum("complete" in line or "pruned" in line for line in lines) == 2


@pytest.mark.parametrize("command", ["status", "leaderboard"])
def test_what_the_dev_eer_is_about_is_the_ledgers_word(
    tiny_study: Study, tiny_outcome: StudyOutcome, tmp_path: Path, command: str
) -> None:
    assert "Dev EER is about all attacks of dev" in run(command, str(tiny_study.path))
    changed = tmp_path / "changed.toml"
    changed.write_text(tiny_study.path.read_text() + '[validation]\nhold_out_attacks = ["A05"]\n')
    shown = " ".join(run(command, str(changed)).split())
    assert "warning: [validation] of the study file holds out A05, the study began with none" in shown
    assert "Dev EER is about all attacks of dev" in shown


@pytest.mark.parametrize("command", ["status", "leaderboard"])
def test_looking_at_a_study_that_was_never_started_makes_nothing(tmp_path: Path, command: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(
        f'[study]\nname = "unborn"\noutput = "{tmp_path / "out"}"\n[corpus]\nlayout = "manifest"\nroot = "none.csv"\n'
    )
    with pytest.raises(SpoofsweepError, match="must have been started; got unborn"):
        run(command, str(path))
    assert [file.name for file in tmp_path.iterdir()] == ["study.toml"]


def test_spot_check_shows_the_truth_beside_each_verdict(tiny_study: Study, tiny_outcome: StudyOutcome) -> None:
    shown = run("spot-check", str(tiny_study.path), "--num-files", "5", "--seed", "7")
    drawn = draw_utterances(tiny_study, 5, seed=7)
    assert [u.utterance_id for u in drawn] == [u.utterance_id for u in draw_utterances(tiny_study, 5, seed=7)]
    assert all(u.split == "eval" for u in drawn)
    for utterance in drawn:
        line = next(line for line in shown.splitlines() if utterance.path.name in line)
        assert (utterance.attack if utterance.label == "spoof" else "bonafide") in line
    assert "of 5 verdicts are right" in shown


@pytest.mark.slow
def test_a_mistake_is_one_message_and_exit_status_2() -> None:
    """Starts the program twice, as a user does."""
    for arguments, message in (
        (["check", "no-such-study"], "the study file must exist"),
        (["detect", "no-such-file.wav"], "every path must exist"),
    ):
        command = [sys.executable, "-c", "from search.cli import main; main()", *arguments]
        found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert found.returncode == 2
        assert found.stderr.startswith("error: ")
        assert message in found.stderr
        assert "Traceback" not in found.stderr
