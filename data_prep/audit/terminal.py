"""What an audit shows on the terminal."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data_prep.audit.findings import is_doubtful
from data_prep.audit.probes import Probe
from data_prep.audit.quantities import QUANTITIES, Quantity
from data_prep.audit.report import AuditReport, Finding, Spread
from data_prep.audit.summary import BANDS
from data_prep.utterance import LABELS, SPLITS

_SHOWN_FORMATS = 8
_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def print_report(console: Console, report: AuditReport) -> None:
    """Tables, then the findings with their remedies."""
    for table in (_splits(report), _spreads(report), _formats(report), _probes(report)):
        console.print(table)
    print_findings(console, report)


def print_findings(console: Console, report: AuditReport) -> None:
    """One line a finding, its remedy below."""
    for finding in report.findings:
        console.print(_line(finding), highlight=False)
        if finding.remedy:
            console.print(f"    [dim]{escape(finding.remedy)}[/]", highlight=False)
    if not any(finding.severity != "note" for finding in report.findings):
        console.print("[green]nothing to warn about[/]")


def _line(finding: Finding) -> str:
    return f"[{_STYLES[finding.severity]}]{finding.severity}:[/] {escape(finding.text)}"


def _table(title: str, *texts: str, numbers: tuple[str, ...] = ()) -> Table:
    table = Table(
        *texts, title=title, box=None, header_style="bold", title_style="bold", title_justify="left", pad_edge=False
    )
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _splits(report: AuditReport) -> Table:
    title = f"{report.files:,} files, {report.measured:,} measured, {report.hours:.2f} h"
    table = _table(title, "split", "class", numbers=("files", "share", "speakers", "attacks", "hours"))
    totals = Counter[str]()
    for row in report.splits:
        totals[row.split] += row.files
    for row in report.splits:
        share = f"{row.files / totals[row.split]:.0%}"
        cells = (f"{row.files:,}", share, str(row.speakers or "-"), str(len(row.attacks) or "-"), f"{row.hours:.2f}")
        table.add_row(row.split, row.label, *cells)
    return table


def _spreads(report: AuditReport) -> Table:
    table = _table("\nMeasurements by class: median (5th to 95th percentile)", "", "split", numbers=LABELS)
    by_key = {(one.measurement, one.split, one.label): one for one in report.spreads}
    for quantity in (one for one in QUANTITIES.values() if one.is_cue):
        for split in SPLITS:
            pair = [by_key.get((quantity.column, split, label)) for label in LABELS]
            if any(_is_seen(one, quantity) for one in pair):
                table.add_row(quantity.title, split, *(_spread(one, quantity) for one in pair))
    return table


def _is_seen(one: Spread | None, quantity: Quantity) -> bool:
    """Whether there is anything but zeros to show: most corpora have no clipping and no offset to speak of."""
    return one is not None and any(_shown(value, quantity) for value in (one.low, one.high))


def _spread(one: Spread | None, quantity: Quantity) -> str:
    if one is None:
        return "-"
    numbers = (_shown(value, quantity) for value in (one.median, one.low, one.high))
    return "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(*numbers, d=quantity.decimals)


def _shown(value: float, quantity: Quantity) -> float:
    # The added zero takes the sign from a rounded -0.
    return round(quantity.factor * value, quantity.decimals) + 0.0


def _formats(report: AuditReport) -> Table:
    """Formats, most frequent first, and classes of bandwidth."""
    splits = [split for split in SPLITS if any(row.split == split for row in report.splits)]
    table = _table("\nStored as: bona fide / spoofed files", "", numbers=tuple(splits))
    formats: dict[str, Counter[tuple[str, str]]] = {}
    for row in report.formats:
        name = f"{row.container} {row.coding}, {row.sample_rate} Hz, {row.channels} ch"
        name += f", {row.told_channel}" if row.told_channel else ""
        formats.setdefault(name, Counter())[row.split, row.label] += row.files
    frequent = sorted(formats, key=lambda name: -formats[name].total())
    for name in frequent[:_SHOWN_FORMATS]:
        table.add_row(escape(name), *_pairs(formats[name], splits))
    if len(frequent) > _SHOWN_FORMATS:
        table.add_row(f"and {len(frequent) - _SHOWN_FORMATS} more, see the page")
    for band in (name for name, _ in BANDS if any(row.band == name for row in report.bands)):
        files = Counter({(row.split, row.label): row.files for row in report.bands if row.band == band})
        table.add_row(f"bandwidth {band}", *_pairs(files, splits))
    return table


def _pairs(files: Counter[tuple[str, str]], splits: Sequence[str]) -> list[str]:
    return [" / ".join(f"{files[split, label]:,}" for label in LABELS) for split in splits]


def _probes(report: AuditReport) -> Table:
    splits = [split for split in SPLITS if any(one.split == split for one in report.probes)]
    table = _table("\nEER in % that one cue alone reaches (50 is guessing)", "cue", numbers=tuple(splits))
    cells: dict[str, dict[str, Probe]] = {}
    for one in report.probes:
        cells.setdefault(one.cue, {})[one.split] = one
    for cue, by_split in cells.items():
        table.add_row(cue, *(_rate(by_split[split]) for split in splits))
    return table


def _rate(one: Probe) -> str:
    text = f"{100 * one.eer:.1f} \\[{100 * one.low:.1f}, {100 * one.high:.1f}]"
    return f"[bold yellow]{text}[/]" if is_doubtful(one) else text
