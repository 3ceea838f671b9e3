"""Figures of training pipelines, and what they say beside the aims."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from throughput.feature_pipelines import LOADERS
from throughput.step_rounds import Round
from throughput.training_contestants import COMPILED, EAGER, FAST, NO_INPUT, OURS, Contest

PREPARED = ("npy", "webdataset", "litdata")
AIM_FIRST, AIM_PREPARED, AIM_BUSY, AIM_INPUT = 20.0, 4.0, 0.85, 0.03


@dataclass
class Figures:
    """What was measured of one pipeline."""

    num_workers: int
    rounds: list[Round] = field(default_factory=list)
    watched: list[Round] = field(default_factory=list)
    """Of ours, with its input watched, which takes time itself."""
    gpu_s_per_step: float | None = None
    peak_gpu_bytes: int | None = None
    manner: str = ""

    @property
    def rate(self) -> float:
        """Utterances a second, the median of the rounds."""
        return statistics.median(one.utterances_per_s for one in self.rounds)

    @property
    def input_share(self) -> float:
        """Of the time of a step, spent on its input by the process that trains."""
        return statistics.median(one.input_share for one in self.watched or self.rounds)

    @property
    def worker_cores(self) -> float:
        """Cores that the loader's workers kept busy."""
        return statistics.median(one.worker_cores for one in self.rounds)

    @property
    def gpu_busy(self) -> float | None:
        """Share of the time during which the GPU was at work."""
        step_s = statistics.median(one.step_s for one in self.rounds)
        return None if self.gpu_s_per_step is None else self.gpu_s_per_step / step_s


def section(contest: Contest, figures: Mapping[str, Figures]) -> list[str]:
    """Table and findings of one batch size."""
    batch, data = contest.config.batch, contest.data
    size = (
        f"batch {batch.size}, crops of {batch.crop_s:g} s, {data.num_utterances:,} utterances of {data.duration_s:g} s"
    )
    missing = [name for name in PREPARED if name not in figures]
    left_out = [f"{name} is not installed here and was left out.\n" for name in missing]
    return [f"## {contest.device}, {size}", "", *left_out, *_table(figures), "", *_findings(contest, figures), ""]


def _table(figures: Mapping[str, Figures]) -> list[str]:
    head = "| | workers | utterances/s (range) | times flac | input, share of a step | cores of workers | memory MB |"
    on_gpu = any(one.gpu_busy is not None for one in figures.values())
    columns = head + (" GPU busy | GPU peak MB |" if on_gpu else "")
    return [
        columns,
        "|---" * (columns.count("|") - 1) + "|",
        *(_row(name, one, figures) for name, one in figures.items()),
    ]


def _row(name: str, one: Figures, figures: Mapping[str, Figures]) -> str:
    rates = [each.utterances_per_s for each in one.rounds]
    loads = name in LOADERS
    cells = [
        name,
        str(one.num_workers) if loads else "-",
        f"{one.rate:,.0f} ({min(rates):,.0f} - {max(rates):,.0f})",
        f"{one.rate / figures['flac'].rate:.2f}",
        f"{one.input_share:.2%}" if loads or one.watched else "-",
        f"{one.worker_cores:.2f}" if loads else "-",
        f"{max(each.memory_bytes for each in one.rounds) / 1e6:,.0f}",
    ]
    if one.gpu_busy is not None and one.peak_gpu_bytes is not None:
        cells += [f"{one.gpu_busy:.1%}", f"{one.peak_gpu_bytes / 1e6:,.0f}"]
    return f"| {' | '.join(cells)} |"


def _findings(contest: Contest, figures: Mapping[str, Figures]) -> list[str]:
    ours, best = figures[OURS], _best_prepared(figures)
    first, prepared = ours.rate / figures["flac"].rate, ours.rate / figures[best].rate
    lines = [
        f"- spoofsweep's plan: {ours.manner}.",
        f"- Times the usual loop without any input: {ours.rate / figures[NO_INPUT].rate:.2f}.",
    ]
    if contest.device == "cpu":
        share = ours.input_share
        lines.append(f"- Input pipeline of spoofsweep: {_verdict(share, AIM_INPUT, share < AIM_INPUT, '.2%')}.")
        beside = f"{first:.2f} times flac, {prepared:.2f} times {best}, the best of the prepared ones"
        lines.append(f"- {beside}. The aims for these ({AIM_FIRST:g}, {AIM_PREPARED:g}) are for an H200.")
        return lines
    busy = ours.gpu_busy or 0.0
    lines.append(f"- Times flac: {_verdict(first, AIM_FIRST, first >= AIM_FIRST, '.2f')}.")
    beside = _verdict(prepared, AIM_PREPARED, prepared >= AIM_PREPARED, ".2f")
    lines.append(f"- Times {best}, the best of the prepared ones: {beside}.")
    lines.append(f"- GPU busy: {_verdict(busy, AIM_BUSY, busy >= AIM_BUSY, '.0%')}.")
    return [*lines, *_variants(figures)]


def _variants(figures: Mapping[str, Figures]) -> list[str]:
    rate = figures[OURS].rate
    says = {
        FAST: "- Deterministic algorithms, the default, take {:.1%} of the speed.",
        EAGER: "- As one CUDA graph where that is faster, the default: {:.2f} times the speed of a step at a time.",
        COMPILED: "- Through torch.compile: {:.2f} times the speed of the default.",
    }
    value = {
        FAST: lambda other: 1 - rate / other,
        EAGER: lambda other: rate / other,
        COMPILED: lambda other: other / rate,
    }
    return [text.format(value[name](figures[name].rate)) for name, text in says.items() if name in figures]


def _best_prepared(figures: Mapping[str, Figures]) -> str:
    return max((name for name in PREPARED if name in figures), key=lambda name: figures[name].rate)


def _verdict(value: float, aim: float, met: bool, form: str) -> str:
    return f"{value:{form}} (aim: {aim:{form}}), {'met' if met else 'missed'}"
