"""What preparation shows on the terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from test_shards import write

from data_prep import display
from data_prep.shards import ShardSet


@pytest.mark.parametrize(("audio_s", "shown"), [(0.0, ""), (36000.0, "h audio/s")])
def test_the_rate_is_empty_where_there_is_none(audio_s: float, shown: str) -> None:
    bar = display.prep_progress(Console(file=io.StringIO()), visible=False)
    bar.add_task("preparing", total=3, audio_s=audio_s)
    (task,) = bar.tasks
    task.start_time = task.get_time() - 10.0
    (rate,) = [column for column in bar.columns if isinstance(column, display._AudioRate)]
    text = str(rate.render(task))
    assert text.endswith(shown)
    assert bool(text) == bool(shown)


def test_the_real_time_factor_counts_this_run_alone(tmp_path: Path) -> None:
    write(tmp_path)
    console = Console(file=io.StringIO(), width=200)
    display.print_summary(console, ShardSet.open(tmp_path), built_s=1800.0, seconds=60.0)
    assert "0.50 h of audio, all views, in 60.0 s: 30x real time" in console.file.getvalue()  # type: ignore[attr-defined]
