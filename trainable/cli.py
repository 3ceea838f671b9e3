"""The commands of this room."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from data_prep.eer_bootstrap import Interval
from trainable.calibration import Calibration, fit_calibration
from trainable.costs import COST_NAMES, detection_costs, tandem_costs
from trainable.score_file import is_verification_file, read_scores, read_verification_scores
from trainable.score_summary import ScoreSummary, corpus_label, span, summarise
from trainable.tandem_cost import asv_error_rates, min_adcf

app = typer.Typer()


@app.command()
def score(
    scores: Annotated[Path, typer.Argument(help="Lines `utterance attack key score`, or see --keys.")],
    keys: Annotated[
        Path | None, typer.Option(help="Protocol or key file of ASVspoof; scores are then `utterance ... score`.")
    ] = None,
    asv: Annotated[Path | None, typer.Option(help="Scores of target, nontarget and spoof trials, for t-DCF.")] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Scores of another split, with their keys, to calibrate on.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    resamples: Annotated[int, typer.Option(min=10, help="Bootstrap resamples of the interval.")] = 500,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Coverage of the interval.")] = 0.95,
) -> None:
    """Error rates and costs of a score file, by attack, codec and whatever else the keys tell.

    A file of target, nontarget and spoof trials gives the a-DCF.
    """
    if keys is None and is_verification_file(scores):
        figures = {"a-DCF": min_adcf(*read_verification_scores(scores))}
        typer.echo(json.dumps(figures) if as_json else f"a-DCF (priors and costs of ASVspoof 5) {figures['a-DCF']:.4f}")
        return
    table = read_scores(scores, keys)
    summary = summarise(table, resamples, confidence)
    costs = detection_costs(table, _fitted(calibrate) if calibrate else None)
    if asv is not None:
        costs |= tandem_costs(table, asv_error_rates(*read_verification_scores(asv)))
    if as_json:
        typer.echo(json.dumps(_plain(asdict(summary) | costs)))
    else:
        _print(summary, costs, confidence)


def _fitted(path: Path) -> Calibration:
    known = read_scores(path)
    return fit_calibration(known.bonafide, known.spoof)


def _plain(value: Any) -> Any:
    """Intervals as objects rather than lists."""
    if isinstance(value, Interval):
        return value._asdict()
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def _print(summary: ScoreSummary, costs: dict[str, float], confidence: float) -> None:
    console = Console()
    console.print(f"{summary.num_bonafide:,} bona fide, {summary.num_spoof:,} spoofed utterances")
    console.print(_costs(costs))
    console.print(_rates(summary, confidence))
    console.print(
        f"Intervals: by trials. Standard deviation of the EER {100 * summary.interval.standard_deviation:.2f}; "
        f"threshold {summary.threshold:.6g}"
    )
    if summary.group_interval is not None:
        console.print(f"Interval of the EER by speakers and attacks: {span(summary.group_interval)}")
    for warning in summary.warnings:
        console.print(f"warning: {warning}", style="yellow")


def _costs(costs: dict[str, float]) -> Table:
    table = Table("cost", "value")
    for name in (name for name in COST_NAMES if name in costs):
        table.add_row(COST_NAMES[name], f"{costs[name]:.4f}")
    return table


def _rates(summary: ScoreSummary, confidence: float) -> Table:
    table = Table("spoofs", "EER %", f"{confidence:.0%} interval")
    table.add_row("all", f"{100 * summary.eer:.2f}", span(summary.interval), style="bold")
    for attack, eer in summary.by_attack.items():
        table.add_row(attack, f"{100 * eer:.2f}", span(summary.attack_intervals[attack]))
    for corpus, rate in summary.by_corpus.items():
        table.add_row(corpus_label(corpus, rate), f"{100 * rate.eer:.2f}", span(rate.interval))
    for group, rates in summary.by_group.items():
        table.add_section()
        for name, rate in rates.items():
            table.add_row(f"{group} {name}{rate.mark}", f"{100 * rate.eer:.2f}", span(rate.interval))
    return table
