"""A parity report in the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.parity.page import percent, points
from deploy.parity.report import ParityReport
from trainable.score_summary import span

_NUMBERS = ("EER", "interval", "change", "minDCF", "actDCF", "Cllr", "largest", "kB", "p50", "p99", "x real time")


def print_report(report: ParityReport, console: Console) -> None:
    """A row a form; what fails stands below, then what is missing."""
    console.print(report_table(report))
    for breach in report.breaches:
        console.print(Text(f"FAILS {breach}", "bold red"))
    for line in report.left_out:
        console.print(Text(f"Left out: {line}", "yellow"))
    if report.rejected:
        console.print(Text(f"{len(report.rejected)} files could not be scored, see parity.json", "yellow"))


def report_table(report: ParityReport) -> Table:
    """EERs with their intervals, changes in points against the row above that they descend from, and what it takes."""
    failed = {breach.row for breach in report.breaches}
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("form", no_wrap=True)
    for name in _NUMBERS:
        table.add_column(name, justify="right", no_wrap=name != "interval")
    for row in report.rows:
        rates = percent(row.eer), span((row.low, row.high)), points(row.eer_change)
        costs = f"{row.min_dcf:.3f}", f"{row.act_dcf:.3f}", f"{row.cllr:.3f}", f"{row.max_difference:.1e}"
        times = f"{row.num_bytes / 1000:.1f}", f"{row.p50_ms:.3f}", f"{row.p99_ms:.3f}", f"{row.times_real_time:,.0f}"
        style = "red" if row.name in failed else ""
        table.add_row(row.name, *rates, *costs, *times, style=style)
    lengths = sorted({f"{row.audio_s:.2f} s" for row in report.rows})
    table.caption = (
        f"change: points of EER; largest: score difference; p50, p99: ms for {' or '.join(lengths)} of audio"
    )
    return table
