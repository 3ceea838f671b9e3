"""The commands of this room."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from trainable.scores import ScoreSummary, ScoreTable, summarise

app = typer.Typer()


@app.command()
def score(
    scores: Annotated[Path, typer.Argument(help="Score file: lines `utterance attack bonafide|spoof score`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    resamples: Annotated[int, typer.Option(min=10, help="Bootstrap resamples of the interval.")] = 500,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Coverage of the interval.")] = 0.95,
) -> None:
    """EER of a score file, with its interval and by attack."""
    summary = summarise(ScoreTable.read(scores), resamples, confidence)
    if as_json:
        typer.echo(json.dumps({**asdict(summary), "interval": summary.interval._asdict()}))
    else:
        _print(summary, confidence)


def _print(summary: ScoreSummary, confidence: float) -> None:
    console = Console()
    low, high, deviation = summary.interval
    table = Table("spoofs", "EER %")
    table.add_row("all", f"{100 * summary.eer:.2f}", style="bold")
    for attack, eer in summary.by_attack.items():
        table.add_row(attack, f"{100 * eer:.2f}")
    console.print(f"{summary.num_bonafide} bona fide, {summary.num_spoof} spoofed utterances", table)
    console.print(
        f"{confidence:.0%} interval {100 * low:.2f} to {100 * high:.2f}, standard deviation {100 * deviation:.2f}; "
        f"threshold {summary.threshold:.6g}"
    )
    for warning in summary.warnings:
        console.print(f"warning: {warning}", style="yellow")
