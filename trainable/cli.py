"""The commands of this room."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from trainable.scores import ScoreSummary, ScoreTable, corpus_label, span, summarise

app = typer.Typer()


@app.command()
def score(
    scores: Annotated[Path, typer.Argument(help="Score file: lines `utterance attack bonafide|spoof score [corpus]`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    resamples: Annotated[int, typer.Option(min=10, help="Bootstrap resamples of the interval.")] = 500,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Coverage of the interval.")] = 0.95,
) -> None:
    """EER of a score file, with its interval, by attack and by corpus."""
    summary = summarise(ScoreTable.read(scores), resamples, confidence)
    if as_json:
        intervals = {name: interval._asdict() for name, interval in summary.attack_intervals.items()}
        corpora = {name: asdict(r) | {"interval": r.interval._asdict()} for name, r in summary.by_corpus.items()}
        values = asdict(summary) | {"attack_intervals": intervals, "by_corpus": corpora}
        values["interval"] = summary.interval._asdict()
        typer.echo(json.dumps(values))
    else:
        _print(summary, confidence)


def _print(summary: ScoreSummary, confidence: float) -> None:
    console = Console()
    table = Table("spoofs", "EER %", f"{confidence:.0%} interval")
    table.add_row("all", f"{100 * summary.eer:.2f}", span(summary.interval), style="bold")
    for attack, eer in summary.by_attack.items():
        table.add_row(attack, f"{100 * eer:.2f}", span(summary.attack_intervals[attack]))
    for corpus, rate in summary.by_corpus.items():
        table.add_row(corpus_label(corpus, rate), f"{100 * rate.eer:.2f}", span(rate.interval))
    console.print(f"{summary.num_bonafide} bona fide, {summary.num_spoof} spoofed utterances", table)
    console.print(
        f"standard deviation {100 * summary.interval.standard_deviation:.2f}; threshold {summary.threshold:.6g}"
    )
    for warning in summary.warnings:
        console.print(f"warning: {warning}", style="yellow")
