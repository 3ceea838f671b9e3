"""Figures of the pages, as data URIs.

Array names carry shapes: N utterances, K bands of the spectrum.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import ParamSpec

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_prep.audit.drawing import svg_uri
from data_prep.audit.findings import DOUBTFUL_EER
from data_prep.audit.probes import Probe
from data_prep.audit.signal import BAND_HZ, FloatArray
from data_prep.utterance import LABELS

# Okabe and Ito's palette, told apart by colour-blind readers too; line styles tell the classes apart in print.
COLOURS = {"bonafide": "#0072B2", "spoof": "#D55E00"}
NAMES = {"bonafide": "bona fide", "spoof": "spoofed"}
_STYLES = {"bonafide": "-", "spoof": (0, (4, 1.5))}
_SPLIT_MARKS = {"train": ("o", "#000000"), "dev": ("s", "#009E73"), "eval": ("D", "#CC79A7")}
_NUM_BINS = 40
_WIDTH = 10.0
ByClass = Mapping[str, FloatArray]
"""Values ``[N]`` or spectra ``[N, K]`` by label."""
P = ParamSpec("P")


def _as_svg(draw: Callable[P, Figure]) -> Callable[P, str]:
    """Let a drawing function return its figure as an SVG data URI."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
        return svg_uri(partial(draw, *args, **kwargs))

    return drawn


@_as_svg
def histograms(by_split: Mapping[str, ByClass], quantity: str) -> Figure:
    """Share of each class by the value of one quantity, a panel a split; the outermost 0.5% go into the end bins."""
    pooled = np.concatenate([values for classes in by_split.values() for values in classes.values()])
    low, high = np.quantile(pooled, (0.005, 0.995))
    margin = 0.5 if low == high else 0.0
    edges = np.linspace(low - margin, high + margin, _NUM_BINS + 1)
    figure, panels = _panels(len(by_split), height=2.5)
    for axes, (split, classes) in zip(panels, by_split.items(), strict=True):
        for label, values in classes.items():
            counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
            share = 100 * counts / len(values)
            axes.stairs(share, edges, color=COLOURS[label], fill=True, alpha=0.18)
            axes.stairs(share, edges, color=COLOURS[label], linewidth=1.4, linestyle=_STYLES[label], label=NAMES[label])
        axes.set(title=split, xlabel=quantity)
    _finish(panels, "share of the class (%)")
    return figure


@_as_svg
def spectra(by_split: Mapping[str, ByClass]) -> Figure:
    """Long-term spectrum of each class: median, and the band from the 10th to the 90th percentile; a panel a split."""
    figure, panels = _panels(len(by_split), height=2.8)
    for axes, (split, classes) in zip(panels, by_split.items(), strict=True):
        for label, spectra_NK in classes.items():
            low_K, median_K, high_K = np.nanquantile(spectra_NK, (0.1, 0.5, 0.9), axis=0)
            khz_K = (np.arange(len(median_K)) + 0.5) * BAND_HZ / 1000
            axes.fill_between(khz_K, low_K, high_K, color=COLOURS[label], alpha=0.15, linewidth=0)
            axes.plot(khz_K, median_K, color=COLOURS[label], linestyle=_STYLES[label], label=NAMES[label])
        axes.set(title=split, xlabel="frequency (kHz)")
    _finish(panels, "level in 125 Hz, re. RMS (dB)")
    return figure


@_as_svg
def probe_chart(probes: Sequence[Probe]) -> Figure:
    """EER of each cue on each split with its interval; grey is where a cue is as good as guessing."""
    cues = list(dict.fromkeys(one.cue for one in probes))
    splits = list(dict.fromkeys(one.split for one in probes))
    height = 0.8 + 0.36 * len(cues)
    figure = Figure(figsize=(_WIDTH, height))
    axes = figure.add_axes((0.13, 0.5 / height, 0.86, 1 - 0.8 / height))
    axes.axvspan(100 * DOUBTFUL_EER, 100 * (1 - DOUBTFUL_EER), color="#888888", alpha=0.15, linewidth=0)
    axes.axvline(50, color="#666666", linewidth=1)
    for place, split in enumerate(splits):
        those = [one for one in probes if one.split == split]
        lines = [cues.index(one.cue) + 0.22 * (place - (len(splits) - 1) / 2) for one in those]
        mark, colour = _SPLIT_MARKS[split]
        axes.hlines(lines, [100 * one.low for one in those], [100 * one.high for one in those], color=colour, alpha=0.6)
        axes.plot([100 * one.eer for one in those], lines, mark, color=colour, markersize=5, label=split)
    axes.set_yticks(range(len(cues)), cues)
    axes.set(xlabel="EER of the cue alone (%), with 95% interval", xlim=(0, 100), ylim=(len(cues) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)
    axes.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return figure


@_as_svg
def feature_profile(by_split: Mapping[str, ByClass], bins: str) -> Figure:
    """Mean of every feature bin over utterances' means, one standard deviation around it, by class; a panel a split."""
    figure, panels = _panels(len(by_split), height=2.8)
    for axes, (split, classes) in zip(panels, by_split.items(), strict=True):
        for label, means_NK in classes.items():
            mean_K, deviation_K = means_NK.mean(axis=0), means_NK.std(axis=0)
            places_K = np.arange(len(mean_K))
            axes.fill_between(places_K, mean_K - deviation_K, mean_K + deviation_K, color=COLOURS[label], alpha=0.15)
            axes.plot(places_K, mean_K, color=COLOURS[label], linestyle=_STYLES[label], label=NAMES[label])
        axes.set(title=split, xlabel=bins)
    _finish(panels, "value, mean over the utterance")
    return figure


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    # Without pyplot, which keeps figures alive and is not safe off the main thread. A page has three columns of panels.
    figure = Figure(figsize=(_WIDTH, height))
    margins = {"left": 0.06, "right": 0.99, "bottom": 0.5 / height, "top": 1 - 0.25 / height, "wspace": 0.08}
    grid = figure.subplots(1, max(3, count), sharex=True, sharey=True, squeeze=False, gridspec_kw=margins)[0]
    for unused in grid[count:]:
        unused.set_visible(False)
    return figure, list(grid[:count])


def _finish(panels: Sequence[Axes], quantity: str) -> None:
    panels[0].set_ylabel(quantity)
    panels[0].margins(x=0.01)
    panels[-1].legend(frameon=False, fontsize=8)


def by_class(groups: Mapping[tuple[str, str], FloatArray], splits: Sequence[str]) -> dict[str, dict[str, FloatArray]]:
    """Arrays by split and then label, from arrays by both; what is missing or empty is left out."""
    nested: dict[str, dict[str, FloatArray]] = {
        split: {label: groups[split, label] for label in LABELS if len(groups.get((split, label), ()))}
        for split in splits
    }
    return {split: classes for split, classes in nested.items() if classes}
