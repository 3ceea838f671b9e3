"""What the terminal shows of a sweep."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from search.sweep.disk_use import DiskUse
from search.sweep.progress import SweepProgress
from search.trials.trial_record import HEIR, TrialRecord


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def record(number: int, state: str, samples_seen: int = 0, value: float | None = None) -> TrialRecord:
    metrics = {"dev_eer_low": value - 0.01, "dev_eer_high": value + 0.01} if value is not None else {}
    reports = {samples_seen: 0.3} if samples_seen else {}
    return TrialRecord(number, state, {}, reports, value, {"metrics": metrics})


def progress(is_terminal: bool = False, **options: Any) -> tuple[SweepProgress, io.StringIO, Clock]:
    output, clock = io.StringIO(), Clock()
    console = Console(file=output, force_terminal=is_terminal, width=250)
    return SweepProgress(console, 10, 900, clock=clock, **options), output, clock


def test_facts_follow_the_events() -> None:
    shown, _, clock = progress(trials=[record(0, "COMPLETE", 900, 0.2), record(1, "WAITING")])
    for number in (1, 2, 3):
        shown.trial_started(record(number, "RUNNING"))
    shown.trial_ended(record(1, "COMPLETE", 900, 0.1))
    shown.trial_ended(record(2, "PRUNED", 100))
    shown.trial_reported(record(3, "RUNNING", 450))
    clock.now_s = 100.0
    facts = shown.facts()
    assert (facts["trials"], facts["running"], facts["complete"], facts["pruned"]) == ("3/10", "1", "2", "1")
    assert facts["best dev EER"] == "10.00% (9.00 to 11.00%), trial 1"
    assert facts["compute saved"] == "30%"  # 1900 of 2700 samples
    assert facts["elapsed"] == "0:01:40"
    assert facts["left"] == "0:04:20"  # two and a half of nine and a half trials took 100 s


def test_what_a_trial_had_when_it_went_on_took_no_time_here() -> None:
    shown, _, clock = progress()
    for number in (1, 2):
        shown.trial_started(record(number, "RUNNING", 450))
    shown.trial_ended(record(1, "COMPLETE", 900, 0.1))
    shown.trial_reported(record(2, "RUNNING", 675))
    clock.now_s = 75.0
    assert shown.facts()["left"] == "0:13:45"  # three quarters of a trial took 75 s, of nine a quarter is left


def test_a_place_that_was_handed_on_counts_once_and_whole() -> None:
    shown, output, clock = progress()
    shown.trial_started(record(1, "RUNNING"))
    replaced = record(1, "PRUNED", 300)
    replaced.attributes.update({HEIR: {}, "postponed": "the sweep was interrupted"})
    shown.trial_ended(replaced)
    heir = record(2, "RUNNING")
    heir.attributes["lineage"] = [{"trial": {}, "seed": 1, "until": 300}]
    shown.trial_started(heir)
    shown.trial_reported(replace(heir, reports={600: 0.2}))
    clock.now_s = 60.0
    assert shown.facts()["trials"] == "0/10"
    assert shown.facts()["left"] == "0:14:00"  # two thirds of ten places took 60 s
    assert "waits" not in output.getvalue()


def test_room_on_the_disk_is_measured_now_and_then(tmp_path: Path) -> None:
    clock = Clock()
    disk = DiskUse(tmp_path, clock)
    shown, _, _ = progress(disk=disk)
    assert shown.facts()["disk"].startswith("0.00 GB, ")
    (tmp_path / "trials").mkdir()
    with (tmp_path / "trials" / "model").open("wb") as file:
        file.truncate(20_000_000)
    clock.now_s = 59.0
    assert shown.facts()["disk"].startswith("0.00 GB, ")
    clock.now_s = 60.0
    assert shown.facts()["disk"].startswith("0.02 GB, ")


def test_the_first_report_tells_how_the_trial_trains() -> None:
    shown, output, _ = progress()
    for number in (3, 4, 3):
        reported = record(number, "RUNNING", 100)
        shown.trial_reported(replace(reported, attributes={"plan": "float32 [fp16 elsewhere], 0.1 GB"}))
    assert output.getvalue() == "Trial 3 trains in float32 [fp16 elsewhere], 0.1 GB\n"


def test_a_diverged_trial_is_not_the_best() -> None:
    diverged = replace(record(0, "COMPLETE", 100, 1.0), attributes={"diverged": True})
    shown, _, _ = progress(trials=[diverged])
    shown.trial_ended(replace(diverged, number=1))
    assert shown.facts()["best dev EER"] == "-"


def test_quiet_lines_where_there_is_no_terminal() -> None:
    shown, output, clock = progress()
    with shown:
        shown.trial_started(record(0, "RUNNING"))
        for samples_seen in range(100, 900, 100):
            clock.now_s += 10
            shown.trial_reported(record(0, "RUNNING", samples_seen))
        shown.trial_ended(record(0, "COMPLETE", 900, 0.1))
        shown.trial_ended(record(1, "COMPLETE", 900, 0.2))  # no better: no line
    lines = output.getvalue().splitlines()
    assert len(lines) == 4  # at 30 s, 60 s, the best, the end
    assert "best dev EER 10.00%" in lines[2]
    assert "\x1b" not in output.getvalue()


def test_a_terminal_gets_a_panel() -> None:
    shown, output, _ = progress(is_terminal=True)
    with shown:
        shown.trial_started(record(7, "RUNNING"))
        shown.trial_reported(record(7, "RUNNING", 450))
    assert "50% trained" in output.getvalue()


def test_trials_that_wait_do_not_count() -> None:
    left = replace(record(0, "WAITING"), attributes={"attempt": 1})
    shown, _, _ = progress(trials=[left])
    assert shown.facts()["trials"] == "0/10"
