"""Whose models stay, whatever machines that were given up go on to write."""

from pathlib import Path

from search.sweep.model_keeper import ModelKeeper
from search.trials.trial_record import TrialRecord


def complete(number: int, value: float, attempt: int = 1) -> TrialRecord:
    return TrialRecord(number, "COMPLETE", {}, {}, value, {"attempt": attempt})


def write(keeper: ModelKeeper, trial: TrialRecord, text: str) -> None:
    keeper.output_of(trial).mkdir(parents=True)
    (keeper.output_of(trial) / "model").write_text(text)


def models(folder: Path) -> dict[str, str]:
    return {path.parent.name: path.read_text() for path in folder.glob("*/model")}


def test_the_best_are_kept(tmp_path: Path) -> None:
    keeper = ModelKeeper(tmp_path, 2, ())
    for number, value in enumerate((0.3, 0.1, 0.4, 0.2)):
        write(keeper, complete(number, value), str(number))
        keeper.trial_ended(complete(number, value))
    assert keeper.kept() == [1, 3]
    assert models(tmp_path) == {"00001": "1", "00003": "3"}


def test_a_lost_attempt_that_writes_on_changes_nothing(tmp_path: Path) -> None:
    keeper = ModelKeeper(tmp_path, 2, ())
    write(keeper, complete(0, 0.1, 1), "lost")
    write(keeper, complete(0, 0.1, 2), "true")
    keeper.trial_ended(complete(0, 0.1, 2))
    assert models(tmp_path) == {"00000": "true"}
    write(keeper, complete(0, 0.1, 1), "lost")
    assert (keeper.folder_of(0) / "model").read_text() == "true"
    write(keeper, complete(1, 0.2), "next")
    keeper.trial_ended(complete(1, 0.2))
    assert models(tmp_path) == {"00000": "true", "00001": "next"}


def test_a_model_whose_driver_was_killed_is_found_by_the_next(tmp_path: Path) -> None:
    write(ModelKeeper(tmp_path, 1, ()), complete(0, 0.1), "mine")
    assert ModelKeeper(tmp_path, 1, [complete(0, 0.1)]).kept() == [0]
    assert models(tmp_path) == {"00000": "mine"}


def test_a_model_that_runs_ahead_of_its_report_stays(tmp_path: Path) -> None:
    keeper = ModelKeeper(tmp_path, 1, ())
    write(keeper, complete(0, 0.1), "written, not yet reported")
    write(keeper, complete(1, 0.2), "done")
    keeper.trial_ended(complete(1, 0.2))
    keeper.trial_ended(complete(0, 0.1))
    assert models(tmp_path) == {"00000": "written, not yet reported"}
