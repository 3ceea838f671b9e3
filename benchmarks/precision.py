"""Does training in bf16 and fp16 reach the error rates of float32? One configuration, several seeds, the same batches.

    python benchmarks/precision.py [--study FILE] [--seeds 5]
    python benchmarks/precision.py --shards FOLDER --device cuda      # where shards lie ready, without Ray

A control says what of a difference is luck: float32 from first weights that are moved by one rounding error. Each
training has a process of its own. Nothing is chosen by the figures, so eval may be looked at. Writes
results/reference/precision.md, on a GPU results/gpu/precision.md, anew after each training.
"""

import argparse
import tomllib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median, stdev

import torch
from machine import machine_facts, memory_bytes, parse_arguments
from scipy.stats import t
from seed_means import mean_interval

from cluster.settings import parse_settings
from data_prep.atomic import atomic_write_text
from data_prep.error_rates import equal_error_rate
from data_prep.shards import ShardSet
from trainable.config import TrialConfig
from trainable.hardware.precision import cpu_has_bf16
from trainable.models import MODELS
from trainable.scores.scores import ScoreTable
from trainable.training.training import Training

STUDY = Path(__file__).parent / "studies" / "precision.toml"
REFERENCE, CONTROL = "float32", "float32, nudged"
SPLITS = ("dev", "eval")
MIB = 2**20


@dataclass(frozen=True)
class Outcome:
    """A finished training."""

    tables: dict[str, ScoreTable]
    """By split; none if it diverged."""
    pass_s: float
    """Of training alone, the median over the reports."""
    peak_mib: float
    """On a GPU what a step allocated at most, on a CPU what the process came to hold beyond its start."""

    def eer(self, split: str) -> float:
        return equal_error_rate(self.tables[split].bonafide, self.tables[split].spoof)[0]


Outcomes = dict[str, dict[int, Outcome]]
"""By precision, or the control's name, and seed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=STUDY, help="its [trial] is trained")
    parser.add_argument("--shards", type=Path, help="a shard set; without one the study's is prepared, by Ray")
    parser.add_argument("--kind", choices=MODELS, help="architecture, instead of the study's")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--precisions", nargs="+", choices=("bf16", "fp16"), default=["bf16", "fp16"])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--output", type=Path)
    arguments = parse_arguments(parser)
    folder = arguments.output or Path("results") / ("gpu" if arguments.device == "cuda" else "reference")
    trial = trial_of(arguments.study, arguments.kind)
    shards = arguments.shards or prepared(arguments.study)
    outcomes: Outcomes = {arm: {} for arm in (REFERENCE, CONTROL, *arguments.precisions)}
    # One process a training: peaks are its own, and an earlier one leaves nothing behind.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for seed in range(1, arguments.seeds + 1):
            for arm, found in outcomes.items():
                found[seed] = pool.submit(train, trial, shards, arm, seed, arguments.device).result()
                print(f"{arm}, seed {seed}: " + ", ".join(eers(found[seed])), flush=True)
                atomic_write_text(folder / "precision.md", report(outcomes, arguments, trial, shards))
    print((folder / "precision.md").read_text())


def trial_of(study: Path, kind: str | None) -> TrialConfig:
    """The default trial of a study file, which needs no Ray to be read."""
    trial = parse_settings(TrialConfig, tomllib.loads(study.read_text()).get("trial", {}))
    return trial.model_copy(update={"model": trial.model.model_copy(update={"kind": kind})}) if kind else trial


def prepared(study: Path) -> Path:
    """Folder of the study's shards, made unless they are there."""
    from data_prep.prepare import prepare
    from search.study.study import load_study

    found = load_study(study)
    return prepare(found.prep, found.base, found.output).folder


def train(trial: TrialConfig, folder: Path, arm: str, seed: int, device: str) -> Outcome:
    torch.set_num_threads(1)
    shards, before = ShardSet.open(folder), memory_bytes("VmRSS")
    trial = trial.model_copy(update={"precision": REFERENCE if arm == CONTROL else arm})
    gpu_peak = gpu_peak_mib(trial, shards) if device == "cuda" else None
    training = Training(trial, shards, seed, device)
    if arm == CONTROL:
        with torch.no_grad():
            for parameter in training.model.parameters():
                parameter.mul_(1 + torch.finfo(torch.float32).eps)
    reports = list(training)
    peak = gpu_peak or (memory_bytes("VmHWM") - before) / MIB
    pass_s = median(training.samples_per_pass / report.metrics["utterances_per_s"] for report in reports)
    tables = {} if reports[-1].diverged else {split: training.score(split) for split in SPLITS}
    return Outcome(tables, pass_s, peak)


def gpu_peak_mib(trial: TrialConfig, shards: ShardSet) -> float:
    """Of a step by itself: PyTorch does not count inside captured ones, and scoring has larger batches."""
    training = Training(trial.model_copy(update={"execution": "eager"}), shards, 1, "cuda")
    training.step()
    torch.cuda.reset_peak_memory_stats()
    training.step()
    return torch.cuda.max_memory_allocated() / MIB


def report(outcomes: Outcomes, arguments: argparse.Namespace, trial: TrialConfig, shards: Path) -> str:
    done = sum(len(found) for found in outcomes.values())
    model = trial.model
    lines = [
        "# What lower precision does to the error rates",
        "",
        f"`{arguments.command}`; " + facts(arguments.device),
        "",
        f"`[trial]` of `{arguments.study.name}` ({model.kind}, {trial.budget_passes:g} passes, batches of "
        f"{trial.batch.size}) on shards {shards.name}; {done} of {arguments.seeds * len(outcomes)} trainings. A seed "
        "has the same first weights, batches and dropout in every precision, but for the control, whose first weights "
        "are moved by a rounding error of float32. Scores are always computed in float32.",
        "",
        *by_seed(outcomes),
        "",
        *verdicts(outcomes),
        "",
        *costs(outcomes),
        "",
        *remarks(arguments.device),
    ]
    return "\n".join(lines) + "\n"


def by_seed(outcomes: Outcomes) -> list[str]:
    seeds = outcomes[REFERENCE]
    lines = [
        "EER %, dev / eval:",
        "",
        "| precision | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean |",
        "|---" * (len(seeds) + 2) + "|",
    ]
    for precision, found in outcomes.items():
        cells = [" / ".join(eers(found[seed])) if seed in found else "" for seed in seeds]
        sound = converged(found)
        means = [f"{100 * mean_eer(sound, split):.2f}" if sound else "-" for split in SPLITS]
        lines.append(f"| {precision} | " + " | ".join(cells) + f" | {' / '.join(means)} |")
    return lines


def verdicts(outcomes: Outcomes) -> list[str]:
    """Each lower precision beside float32 over the seeds that converged in both."""
    lines = [
        "| precision | split | seeds | mean EER % | float32's | its 95 % interval | within it | difference by seed: "
        "mean (95 % interval), deviation |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for precision in list(outcomes)[1:]:
        seeds = sorted(converged(outcomes[precision]).keys() & converged(outcomes[REFERENCE]).keys())
        for split in SPLITS if seeds else ():
            found, reference = ({seed: outcomes[kind][seed] for seed in seeds} for kind in (precision, REFERENCE))
            mean = mean_eer(found, split)
            low, high = mean_interval([one.tables[split] for one in reference.values()])
            differences = [found[seed].eer(split) - reference[seed].eer(split) for seed in seeds]
            cells = [precision, split, str(len(seeds)), f"{100 * mean:.2f}", f"{100 * mean_eer(reference, split):.2f}"]
            cells += [f"{100 * low:.2f} to {100 * high:.2f}", "yes" if low <= mean <= high else "no"]
            lines.append("| " + " | ".join([*cells, spread(differences)]) + " |")
    return lines


def costs(outcomes: Outcomes) -> list[str]:
    lines = ["| precision | a pass s | to float32's | peak MiB | to float32's |", "|---|---|---|---|---|"]
    reference = outcomes[REFERENCE].values()
    for precision, found in outcomes.items():
        if found:
            pass_s, whole_s = (median(one.pass_s for one in ones) for ones in (found.values(), reference))
            peak, whole = (median(one.peak_mib for one in ones) for ones in (found.values(), reference))
            lines.append(f"| {precision} | {pass_s:.2f} | {pass_s / whole_s:.2f}x | {peak:.0f} | {peak / whole:.2f}x |")
    return lines


def remarks(device: str) -> list[str]:
    lines = [
        "float32's interval is that of its mean over the seeds, by a bootstrap that draws seeds and utterances of each "
        "class (1,000 resamples). The difference by seed is the sharper look: points of EER, positive where float32 is "
        "better; its interval is Student's. Trainings are chaotic: what the control differs by is luck, and a "
        "precision that differs no more shows no cost.",
    ]
    if device == "cuda":
        return [
            *lines,
            "",
            "Peaks are what PyTorch allocated in a step, the training split included where it lies on the GPU.",
        ]
    emulated = "fp16" if cpu_has_bf16() else "bf16 and fp16"
    return [
        *lines,
        "",
        f"**Times are not those of a GPU.** PyTorch emulates {emulated} on this processor: rounding is that of the "
        "format, so the error rates are true, but no time is saved. Peaks are what the process came to hold beyond its "
        "start. One thread.",
    ]


def facts(device: str) -> str:
    found = machine_facts("torch")
    if device == "cuda":
        found = {"GPU": torch.cuda.get_device_name(), **found}
    return ", ".join(f"{key} {value}" for key, value in found.items())


def converged(found: dict[int, Outcome]) -> dict[int, Outcome]:
    return {seed: outcome for seed, outcome in found.items() if outcome.tables}


def eers(outcome: Outcome) -> list[str]:
    return [f"{100 * outcome.eer(split):.2f}" for split in SPLITS] if outcome.tables else ["diverged"]


def mean_eer(found: dict[int, Outcome], split: str) -> float:
    return fmean(outcome.eer(split) for outcome in found.values())


def spread(differences: list[float]) -> str:
    mean = 100 * fmean(differences)
    if len(differences) < 2:
        return f"{mean:+.2f}"
    deviation = 100 * stdev(differences)
    half = float(t.ppf(0.975, len(differences) - 1)) * deviation / len(differences) ** 0.5
    return f"{mean:+.2f} ({mean - half:+.2f} to {mean + half:+.2f}), {deviation:.2f}"


if __name__ == "__main__":
    main()
