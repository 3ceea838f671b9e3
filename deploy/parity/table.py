"""A parity report in the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.parity.page import points
from deploy.parity.report import ParityReport

_NUMBERS = ("EER %", "change", "largest", "kB", "p50 ms", "p99 ms", "x real time")


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
    """A few of the figures, for eighty columns; changes are in points, against the row that each descends from."""
    failed = {breach.row for breach in report.breaches}
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("form", no_wrap=True)
    for name in _NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in report.rows:
        rates = f"{100 * row.eer:.2f}", points(row.eer_change), f"{row.max_difference:.0e}"
        times = f"{row.num_bytes / 1000:.1f}", f"{row.p50_ms:.3f}", f"{row.p99_ms:.3f}", f"{row.times_real_time:,.0f}"
        table.add_row(row.name, *rates, *times, style="red" if row.name in failed else "")
    lengths = " or ".join(dict.fromkeys(f"{row.audio_s:.2f} s" for row in report.rows))
    table.caption = f"change: points of EER; largest: score difference; times for {lengths}"
    return table
