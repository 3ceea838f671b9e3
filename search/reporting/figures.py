"""Figures of a study: detection error trade-off, score histograms, optimisation history, survival at the rungs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import norm

from data_prep.error_rates import equal_error_rate, error_rates
from search.ledger.leaderboard import Rung
from search.study.objective import EER, Objective
from trainable.metrics.metrics import eer_by_attack
from trainable.scores.scores import ScoreTable

# Okabe and Ito's palette, told apart by colour-blind readers too.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
ATTACK_COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#F0E442", "#999999")
DET_TICKS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)

_MOST_ATTACKS = 20
"""Named in a figure: the eval sets of ASVspoof 2019 and 5 have 13 and 16 attacks, that of 2021 DF a hundred."""

_MOST_NAMED = 30
"""Trials of a front that are named in a figure."""


@dataclass(frozen=True)
class ScoredSplit:
    """Scores of one split: arrays over its utterances, spoofs by attack."""

    name: str
    bonafide: np.ndarray
    spoof: np.ndarray
    attacks: np.ndarray
    """Attack name of each of ``spoof``."""

    @classmethod
    def of(cls, name: str, table: ScoreTable) -> "ScoredSplit":
        """From a score table; of many attacks the worst are named, and the rest are one group."""
        rates = eer_by_attack(table.score, table.label, table.attack)
        attacks = table.attack[table.label == "spoof"]
        if len(rates) > _MOST_ATTACKS:
            worst = sorted(rates, key=lambda attack: -rates[attack])[: _MOST_ATTACKS - 1]
            attacks = np.where(np.isin(attacks, worst), attacks, "others")
        return cls(name, table.bonafide, table.spoof, attacks)


@dataclass(frozen=True)
class HistoryPoint:
    """One trial in the optimisation history."""

    number: int
    state: str
    value: float | None
    """What the study minimises."""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class TradeOff:
    """One finished trial by both objectives."""

    number: int
    value: float
    second: float
    is_on_front: bool
    is_finalist: bool


def det_figure(splits: Sequence[ScoredSplit]) -> Figure:
    """Miss against false alarm on normal-deviate axes (Martin et al. 1997), pooled and by attack, a panel a split."""
    figure, panels = _panels(len(splits), width=5.9, height=4.6)
    for axes, split in zip(panels, splits, strict=True):
        _draw_det(axes, split)
    return figure


def histogram_figure(splits: Sequence[ScoredSplit], threshold: float) -> Figure:
    """Density of scores, bona fide against each attack, with the decision threshold; a panel a split."""
    figure, panels = _panels(len(splits), width=5.6, height=3.6)
    for axes, split in zip(panels, splits, strict=True):
        _draw_histogram(axes, split, threshold)
    return figure


def history_figure(points: Sequence[HistoryPoint], objective: Objective = EER) -> Figure:
    """What the study minimises, of every trial by its state, and the best finished so far."""
    scale, unit = (100, " (%)") if objective.is_rate else (1, "")
    figure, (axes,) = _panels(1, width=8.0, height=4.2)
    for state, colour, fill in (("COMPLETE", BLUE, BLUE), ("PRUNED", GREY, "none")):
        chosen = [p for p in points if p.state == state and p.value is not None]
        label = f"{state.lower()} ({len(chosen)})"
        numbers, values = [p.number for p in chosen], [scale * p.value for p in chosen if p.value is not None]
        axes.scatter(numbers, values, s=26, label=label, facecolors=fill, edgecolors=colour, zorder=3)
        for p in chosen if state == "COMPLETE" else ():
            if p.low is not None and p.high is not None:
                axes.plot([p.number] * 2, [scale * p.low, scale * p.high], color=BLUE, alpha=0.3, linewidth=2)
    failed = [p.number for p in points if p.state == "FAIL"]
    if failed:
        top = axes.get_ylim()[1]
        axes.scatter(failed, [top] * len(failed), marker="x", color=RED, label=f"failed ({len(failed)})", clip_on=False)
    finished, best = _best_so_far(points)
    axes.step(finished, scale * best, where="post", color=ORANGE, linewidth=1.8, label="best finished so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="trial", ylabel=f"{objective.label}{unit}", title="Optimisation history")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    return figure


def pareto_figure(points: Sequence[TradeOff], objective: Objective, second_label: str) -> Figure:
    """What a study minimises against its second objective, on a logarithmic axis; the front as the step that it is."""
    scale, unit = (100, " (%)") if objective.is_rate else (1, "")
    figure, (axes,) = _panels(1, width=8.0, height=4.6)
    front = sorted((point for point in points if point.is_on_front), key=lambda point: point.second)
    groups = (
        ("other finished trials", [p for p in points if not (p.is_on_front or p.is_finalist)], "none", GREY),
        ("Pareto front", [p for p in front if not p.is_finalist], ORANGE, ORANGE),
        ("trained again", [p for p in points if p.is_finalist], BLUE, BLUE),
    )
    for label, chosen, fill, edge in groups:
        places = [p.second for p in chosen], [scale * p.value for p in chosen]
        axes.scatter(*places, s=32, label=label, facecolors=fill, edgecolors=edge, zorder=3)
    steps = [p.second for p in front], [scale * p.value for p in front]
    axes.step(*steps, where="post", color=ORANGE, linewidth=1.6, zorder=2)
    for point in front[:_MOST_NAMED]:
        place = point.second, scale * point.value
        # Below the step, where no trial can be.
        axes.annotate(
            str(point.number), place, xytext=(-4, -4), textcoords="offset points", ha="right", va="top", fontsize=8
        )
    axes.set_xscale("log")
    axes.set(xlabel=second_label, ylabel=f"{objective.label}{unit}", title="Pareto front, trials by number")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    return figure


def survival_figure(rungs: Sequence[Rung]) -> Figure:
    """Trials that reached each rung, those stopped there, and how well the rung ranks."""
    figure, (axes,) = _panels(1, width=6.4, height=3.8)
    places = list(range(len(rungs)))
    went_on = [rung.num_reached - rung.num_stopped for rung in rungs]
    axes.bar(places, went_on, 0.6, color=BLUE, label="went on")
    axes.bar(places, [rung.num_stopped for rung in rungs], 0.6, bottom=went_on, color="#D0D7DE", label="stopped")
    for place, rung in zip(places, rungs, strict=True):
        correlation = rung.standing.correlation
        text = "" if math.isnan(correlation) else f"rank correlation\nwith the end {correlation:.2f}"
        axes.text(place, rung.num_reached, text, ha="center", va="bottom", fontsize=8, color="#444444")
    axes.set_xticks(places, [f"{rung.passes:g}" for rung in rungs])
    axes.set(xlabel="passes over the training split", ylabel="trials", title="Survival at the rungs")
    axes.margins(y=0.22)
    axes.set_xlim(-0.6, max(len(rungs), 4) - 0.4)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=9)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as PNG; returns ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=140)
    return path


def _panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    # Without pyplot, which keeps figures alive and is not safe off the main thread.
    figure = Figure(figsize=(width * count, height), layout="constrained")
    panels = [figure.add_subplot(1, count, place + 1) for place in range(count)]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.set_axisbelow(True)
    return figure, panels


def _draw_det(axes: Axes, split: ScoredSplit) -> None:
    groups = [(name, split.spoof[split.attacks == name]) for name in np.unique(split.attacks)]
    colours = [ATTACK_COLOURS[i % len(ATTACK_COLOURS)] for i in range(len(groups))]
    curves = [*zip(groups, colours, [1.2] * len(groups), strict=True), (("pooled", split.spoof), "black", 2.2)]
    for (name, spoof), colour, width in curves:
        rates = error_rates(split.bonafide, spoof)
        eer, _ = equal_error_rate(split.bonafide, spoof)
        # The ends of the curve, at 0 and 1, lie at infinity on these axes.
        far, frr = (norm.ppf(np.clip(rate, 5e-4, 1 - 5e-4)) for rate in (rates.far, rates.frr))
        axes.plot(far, frr, color=colour, linewidth=width, label=f"{name}  {eer:.1%}", drawstyle="steps-post")
    low, high = norm.ppf([7e-4, 0.85])
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, linestyle=":")
    ticks = norm.ppf(DET_TICKS)
    names = [f"{tick * 100:g}" for tick in DET_TICKS]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal", title=f"DET, {split.name}")
    axes.set(xlabel="spoofs accepted (%)", ylabel="bona fide rejected (%)")
    axes.legend(frameon=False, fontsize=8, title="EER", title_fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _draw_histogram(axes: Axes, split: ScoredSplit, threshold: float) -> None:
    everything = np.concatenate((split.bonafide, split.spoof))
    edges = list(np.linspace(everything.min(), everything.max() + 1e-6, 31))
    names = list(np.unique(split.attacks))
    spoofs = [split.spoof[split.attacks == name] for name in names]
    colours = [ATTACK_COLOURS[i % len(ATTACK_COLOURS)] for i in range(len(names))]
    weights = [np.full(len(scores), 1 / len(split.spoof)) for scores in spoofs]
    axes.hist(spoofs, edges, weights=weights, stacked=True, color=colours, label=names, alpha=0.85)
    share = np.full(len(split.bonafide), 1 / len(split.bonafide))
    axes.hist(split.bonafide, edges, weights=share, histtype="step", color="black", linewidth=1.6, label="bona fide")
    axes.axvline(threshold, color=RED, linestyle="--", linewidth=1.2, label="threshold")
    axes.set(xlabel="score (higher is bona fide)", ylabel="share of the class", title=f"Scores, {split.name}")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _best_so_far(points: Sequence[HistoryPoint]) -> tuple[list[int], np.ndarray]:
    finished = {p.number: p.value for p in points if p.state == "COMPLETE" and p.value is not None}
    best = np.minimum.accumulate(list(finished.values())) if finished else np.empty(0)
    return list(finished), best
