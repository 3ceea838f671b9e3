"""What is shown while files are worked on."""

import io
import re
from pathlib import Path

import soundfile
from miniature import speech
from rich.console import Console

from data_prep.corpus_conversion import convert_visibly
from data_prep.work_progress import WorkProgress


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_rate_and_time_left_follow_from_this_run_alone() -> None:
    clock = Clock()
    progress = WorkProgress(Console(file=io.StringIO()), 1000, 4000, 500, 1000, visible=False, clock=clock)
    assert progress.state() == "500 of 1,000 files"
    clock.now_s += 10
    progress.advance(100, 500, audio_s=72_000.0)
    assert progress.state() == "600 of 1,000 files, 2.00 h audio/s, 0:00:50 left"
    clock.now_s += 5000
    progress.advance(300, 1000, audio_s=0.0)
    assert progress.state() == "900 of 1,000 files, 0.00 h audio/s, 1:23:30 left"
    assert progress.audio_s == 72_000.0


def test_without_a_terminal_a_line_a_minute() -> None:
    clock, console = Clock(), Console(file=io.StringIO(), width=40)
    with WorkProgress(console, 1000, 1000, visible=False, clock=clock) as progress:
        for _ in range(10):
            clock.now_s += 25
            progress.advance(100, 100, audio_s=3600.0)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines == [
        "preparing: 300 of 1,000 files, 0.04 h audio/s, 0:02:55 left",
        "preparing: 600 of 1,000 files, 0.04 h audio/s, 0:01:40 left",
        "preparing: 900 of 1,000 files, 0.04 h audio/s, 0:00:25 left",
    ]


def test_conversion_counts_hours(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", speech(2.0), 16000)
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    list(convert_visibly([tmp_path / "a.wav"], tmp_path, tmp_path / "out", console, visible=True))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"converting .*1 of 1 files, \d+\.\d\d h audio/s", shown)


def test_bar_shows_the_state() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    clock = Clock()
    with WorkProgress(console, 10, 10, clock=clock) as progress:
        clock.now_s += 1
        progress.advance(5, 5, audio_s=3600.0)
    assert "5 of 10 files, 1.00 h audio/s, 0:00:01 left" in console.file.getvalue()  # type: ignore[attr-defined]
