"""What preparation shows on the terminal."""

import io
from pathlib import Path

from rich.console import Console
from small_shards import write

from data_prep import display
from data_prep.shards import ShardSet


def test_the_real_time_factor_counts_this_run_alone(tmp_path: Path) -> None:
    write(tmp_path)
    console = Console(file=io.StringIO(), width=200)
    display.print_summary(console, ShardSet.open(tmp_path), built_s=1800.0, seconds=60.0)
    assert "0.50 h of audio, all views, in 60.0 s: 30x real time" in console.file.getvalue()  # type: ignore[attr-defined]
