"""What the command `score` prints: tables for people, plain values for JSON."""

from typing import Any

from rich.console import Console
from rich.table import Table

from data_prep.eer_bootstrap import Interval
from trainable.scores.costs import COST_NAMES
from trainable.scores.score_summary import ScoreSummary, corpus_label, span


def plain(value: Any) -> Any:
    """Intervals as objects rather than lists."""
    if isinstance(value, Interval):
        return value._asdict()
    return {name: plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def print_tables(summary: ScoreSummary, costs: dict[str, float], confidence: float) -> None:
    """Costs, and error rates with their intervals at ``confidence``."""
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
