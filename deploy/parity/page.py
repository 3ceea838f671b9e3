"""A parity report as one HTML file; nothing in it is fetched from elsewhere."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from data_prep.audit.html_page import render
from deploy.parity.figure import figures
from deploy.parity.gates import Gates, checks
from trainable.scores.score_summary import span

if TYPE_CHECKING:
    from deploy.parity.report import ParityReport

GATES: Mapping[str, tuple[str, float]] = {
    "max_onnx_difference": ("largest score difference of the ONNX file", 1.0),
    "max_stream_difference": ("largest score difference of the stream", 1.0),
    "max_int8_eer": ("points of EER that eight bits may cost", 100.0),
    "max_pruned_int8_eer": ("points of EER that pruning and eight bits may cost", 100.0),
    "max_size_kb": ("kB of the last file", 1.0),
    "max_latency_ms": ("ms of the last file, 99th percentile", 1.0),
}
"""In words, and by what a limit is multiplied to be read."""


def parity_page(report: "ParityReport") -> str:
    """The page."""
    return render(
        "parity.html.j2",
        "deploy.parity",
        report=report,
        figures=figures(report.rows),
        attacks=list(report.rows[0].by_attack),
        failed_rows={breach.row for breach in report.breaches},
        gates=list(_gates(report)),
        points=points,
        percent=percent,
        span=span,
    )


def _gates(report: "ParityReport") -> Iterator[tuple[str, float | None, str]]:
    """Each gate in words, its limit, and what became of it: nothing where no row was held against it."""
    checked = {check.gate for check in checks(report.rows, Gates.model_validate(report.gates))}
    broken = {breach.gate for breach in report.breaches}
    for name, (words, scale) in GATES.items():
        limit = report.gates[name]
        state = "not kept" if name in broken else "kept" if name in checked else ""
        yield words, None if limit is None else scale * limit, state


def percent(rate: float) -> str:
    """A rate in percent."""
    return f"{100 * rate:.2f}%"


def points(change: float) -> str:
    """A change of a rate in points, without a minus before nothing."""
    return f"{round(100 * change, 2) + 0.0:+.2f}"
