"""What quantisation did, as a table."""

from collections.abc import Sequence

from rich.table import Table

from deploy.compress.quantise import Quantised
from deploy.stream.onnx_latency import Latency


def quantised_table(outcomes: Sequence[Quantised]) -> Table:
    """Two rows a form, before and after; times are of a chunk or window of the length beside the form's name."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("form", "weights"):
        table.add_column(name, no_wrap=True)
    for name in ("kB", "p50 ms", "p99 ms", "largest", "mean", "relabelled"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in outcomes:
        shifts = (f"{one.max_difference:.4f}", f"{one.mean_difference:.4f}", f"{one.num_changed} of {one.num_files}")
        name = f"{one.form}, {1000 * one.before.audio_s:.0f} ms"
        table.add_row(name, "float32", *_figures(one.before_bytes, one.before))
        table.add_row("", "int8", *_figures(one.after_bytes, one.after), *shifts)
    deviation = ", ".join(f"{one.score_deviation:.2f}" for one in outcomes)
    table.caption = f"Largest and mean difference of scores, whose standard deviation is {deviation}"
    return table


def _figures(size_bytes: int, latency: Latency) -> tuple[str, ...]:
    return f"{size_bytes / 1000:.1f}", f"{latency.p50_ms:.3f}", f"{latency.p99_ms:.3f}"
