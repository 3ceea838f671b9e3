"""A parity report as one HTML file; nothing in it is fetched from elsewhere."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jinja2

from deploy.parity.figure import figures
from trainable.score_summary import span

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


def render(report: "ParityReport") -> str:
    """The page; every value is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("deploy.parity"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"points": points, "percent": percent, "span": span}
    failed = {(breach.row, breach.gate) for breach in report.breaches}
    return environment.get_template("parity.html.j2").render(
        report=report,
        figures=figures(report.rows),
        attacks=list(report.rows[0].by_attack),
        failed_rows={row for row, _ in failed},
        gates=[
            (words, report.gates[name], scale, any(gate == name for _, gate in failed))
            for name, (words, scale) in GATES.items()
        ],
    )


def percent(rate: float) -> str:
    """A rate in percent."""
    return f"{100 * rate:.2f}%"


def points(change: float) -> str:
    """A change of a rate in points, without a minus before nothing."""
    return f"{round(100 * change, 2) + 0.0:+.2f}"
