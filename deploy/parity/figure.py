"""EER of every row against its file's size and its time, as a data URI; once for light pages and once for dark ones."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from data_prep.audit.drawing import svg_uri
from deploy.parity.row import Row

# Of Okabe and Ito's palette, told apart by colour-blind readers too; the marker tells windows from streams in print.
_WINDOWS, _STREAMS = ("#0072B2", "o", "by windows"), ("#D55E00", "s", "streamed")
_DARK_WINDOWS, _DARK_STREAMS = ("#56B4E9", "o", "by windows"), ("#E69F00", "s", "streamed")
_LIFTS = (4, 14, -11)
"""Points above the row's own."""
_INK, _DARK_INK = "#1c2329", "#e4e9ed"


def figures(rows: Sequence[Row]) -> dict[str, str]:
    """By ``light`` and ``dark``."""
    return {
        "light": _drawn(rows, _INK, (_WINDOWS, _STREAMS)),
        "dark": _drawn(rows, _DARK_INK, (_DARK_WINDOWS, _DARK_STREAMS)),
    }


def _drawn(rows: Sequence[Row], ink: str, kinds: tuple[tuple[str, str, str], ...]) -> str:
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    return svg_uri(partial(_figure, rows, kinds), dict.fromkeys(inked, ink) | {"savefig.transparent": True})


def _figure(rows: Sequence[Row], kinds: tuple[tuple[str, str, str], ...]) -> Figure:
    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    _panel(panels[0], rows, [row.num_bytes / 1000 for row in rows], kinds)
    _panel(panels[1], rows, [row.p50_ms / row.audio_s for row in rows], kinds)
    panels[0].set(xlabel="file (kB)", ylabel="EER (%)")
    panels[1].set(xlabel="median time for a second of audio (ms)")
    panels[1].legend(frameon=False, fontsize=8)
    return figure


def _panel(axes: Axes, rows: Sequence[Row], along: Sequence[float], kinds: tuple[tuple[str, str, str], ...]) -> None:
    """Points with their intervals, each with the number of its row."""
    for is_stream, (colour, marker, label) in enumerate(kinds):
        chosen = [(x, row) for x, row in zip(along, rows, strict=True) if (row.against != rows[0].name) == is_stream]
        if not chosen:
            continue
        across = [x for x, _ in chosen]
        axes.vlines(
            across, [100 * r.low for _, r in chosen], [100 * r.high for _, r in chosen], color=colour, alpha=0.35
        )
        axes.plot(across, [100 * r.eer for _, r in chosen], marker, color=colour, markersize=6, label=label)
    for place, number in enumerate(sorted(range(len(rows)), key=lambda number: along[number])):
        # Neighbours' numbers stand at different heights, for rows often share a point.
        spot, lift = (along[number], 100 * rows[number].eer), (5, _LIFTS[place % len(_LIFTS)])
        axes.annotate(str(number + 1), spot, lift, textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    for which in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        which(FuncFormatter(_plain))
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))


def _plain(value: float, place: object) -> str:
    """A tick without powers of ten."""
    return f"{value:g}"
