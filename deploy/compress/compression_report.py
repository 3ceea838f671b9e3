"""The trade-offs that a study of compression found, as a table and a figure."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from deploy.compress.compression import Point, front
from deploy.compress.quantise import FLOAT, PRECISION

# Of Okabe and Ito's palette, told apart by colour-blind readers too.
_BLUE, _GREY = "#0072B2", "#999999"
_MARKERS = {FLOAT: "o", PRECISION: "s"}


def front_table(points: Sequence[Point]) -> Table:
    """A row a trial."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("trial", "dev EER", "interval", "kB", "p50 ms", "parameters"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("weights")
    for point in points:
        rate = point.rate
        eer, interval = f"{100 * rate.eer:.2f}%", f"{100 * rate.low:.2f} to {100 * rate.high:.2f}%"
        sizes = (f"{point.size_kb:.1f}", f"{point.latency_ms:.3f}", f"{point.num_parameters:,}")
        table.add_row(str(point.number), eer, interval, *sizes, point.precision)
    return table


def front_figure(points: Sequence[Point]) -> Figure:
    """EER against size, and against time: the trials on the front by number, the others in grey."""
    figure = Figure(figsize=(11.0, 4.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    best = {point.number for point in front(list(points))}
    _draw(panels[0], points, [point.size_kb for point in points], best)
    _draw(panels[1], points, [point.latency_ms for point in points], best)
    panels[0].set(xlabel="exported file (kB)", ylabel="dev EER (%)", title="EER against size")
    panels[1].set(xlabel="median time (ms)", title="EER against time")
    panels[0].legend(frameon=False, fontsize=9)
    return figure


def _draw(axes: Axes, points: Sequence[Point], along: Sequence[float], best: set[int]) -> None:
    for precision, marker in _MARKERS.items():
        for on_front, colour in ((False, _GREY), (True, _BLUE)):
            chosen = [
                (x, 100 * point.rate.eer)
                for x, point in zip(along, points, strict=True)
                if point.precision == precision and (point.number in best) == on_front
            ]
            label = f"{precision}, {'on the front' if on_front else 'dominated'} ({len(chosen)})"
            if chosen:
                across, up = zip(*chosen, strict=True)
                axes.scatter(across, up, s=30, color=colour, marker=marker, label=label, zorder=3)
    for x, point in zip(along, points, strict=True):
        if point.number in best:
            place = (x, 100 * point.rate.eer)
            axes.annotate(str(point.number), place, (4, 4), textcoords="offset points", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
