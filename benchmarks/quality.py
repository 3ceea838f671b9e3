"""A swept CNN-GRU beside the field's baselines: EER on dev and eval, same data, same budget, several seeds.

    export SPOOFSWEEP_DEV_CORPUS=/where/it/is/LA
    python benchmarks/quality.py [--seeds 5] [--jobs 2]

Runs the sweep of benchmarks/studies/quality.toml first, or goes on with it. The networks among the baselines are
the study's own [trial] with another architecture, on the same shards; the Gaussian mixtures have their own, the same
utterances as LFCC. None of them is tuned. No choice is made by eval: the swept configuration is the
one with the best leave-attack-out EER. Every training is kept in the study's folder, and the page is written after
each, so that a run that is interrupted leaves a true table and the next one goes on.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from gmm_baseline import gmm_score_tables
from machine import machine_facts, parse_arguments
from rich.console import Console
from seed_means import mean_interval

from data_prep.atomic import atomic_write_text
from data_prep.config import AugmentationConfig, FeaturesConfig
from data_prep.error_rates import equal_error_rate
from data_prep.prepare import prepare
from data_prep.shards import ShardSet
from search.launch import launch
from search.reporting.report import StudyOutcome
from search.study.study import Study, load_study
from trainable.checkpoints.signature import code_version, trial_signature
from trainable.config import TrialConfig
from trainable.metrics.metrics import eer_by_attack
from trainable.scores.score_file import read_scores
from trainable.scores.scores import ScoreTable
from trainable.training.training import Training

STUDY = Path(__file__).parent / "studies" / "quality.toml"
SWEPT = "CNN-GRU, swept"
GRAPH = "graph, AASIST-L-sized"
NETWORKS: dict[str, dict[str, Any]] = {
    "LCNN-BiLSTM": {"kind": "lcnn_bilstm", "dropout": 0.7},
    GRAPH: {"kind": "graph", "dropout": 0.5},
    "CNN-Conformer": {"kind": "cnn_conformer"},
    "CNN-GRU, default": {},
}
"""Settings of ``[trial.model]``; dropout as published where it is."""
MIXTURES = {"LFCC-GMM 64": 64, "LFCC-GMM 512": 512}
MIXTURE_FEATURES = FeaturesConfig(kind="lfcc", pre_emphasis=0.97)
"""Of the baseline of ASVspoof 2019: 20 filters and coefficients, two orders of derivatives."""
LAST = "LFCC-GMM 512"
"""Its further seeds come when all else is done: they take as long as the largest network."""
SPLITS = ("dev", "eval")
DIVERGED = "diverged.txt"
"""Stands in a baseline's folder in place of scores."""
AIMS = {
    **{name: {"dev": "at most 0.35", "eval": "at most 0.6"} for name in MIXTURES},
    GRAPH: {"dev": "below 1", "eval": "below 1"},
}
"""What the swept CNN-GRU's mean EER over that of a baseline should be."""


@dataclass
class System:
    """One row of the table."""

    name: str
    num_parameters: int | None = None
    utterances_per_s: float | None = None
    tables: dict[str, list[ScoreTable]] = field(default_factory=lambda: {split: [] for split in SPLITS})
    """One a seed."""
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Of the mean EER over the seeds."""
    num_diverged: int = 0

    def add(self, tables: Mapping[str, ScoreTable] | None) -> None:
        """A training's scores; none if it diverged."""
        if tables is None:
            self.num_diverged += 1
            return
        for split in SPLITS:
            self.tables[split].append(tables[split])
            self.intervals[split] = mean_interval(self.tables[split])

    @property
    def is_scored(self) -> bool:
        return bool(self.tables["dev"])

    def eers(self, split: str) -> list[float]:
        return [equal_error_rate(table.bonafide, table.spoof)[0] for table in self.tables[split]]

    def mean(self, split: str) -> float:
        return fmean(self.eers(split))

    def by_attack(self) -> dict[str, float]:
        """Mean EER of each attack of eval."""
        found = [eer_by_attack(table.score, table.label, table.attack) for table in self.tables["eval"]]
        return {attack: fmean(eers[attack] for eers in found) for attack in sorted(found[0])} if found else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, one core each")
    parser.add_argument("--output", type=Path, default=Path("results/reference/quality.md"))
    arguments = parse_arguments(parser)
    study, console = load_study(STUDY), Console()
    outcome = launch(study, console)
    if outcome is None:
        raise SystemExit("the sweep was stopped; run this again to go on")
    champion = outcome.champion.finalist
    shards = ShardSet.open(study.shards_folder / champion.record.shard_set_id)
    systems = {name: System(name) for name in (*MIXTURES, *NETWORKS, SWEPT)}
    for finalist in outcome.ranking[0].converged:
        systems[SWEPT].add({split: finalist.scores(split) for split in SPLITS})
    systems[SWEPT].num_diverged = outcome.ranking[0].num_diverged
    configs = {name: variant(study.config.trial, settings) for name, settings in NETWORKS.items()}
    configs[SWEPT] = champion.record.trial
    measure_speed(systems, configs, shards)
    sets = dict.fromkeys(NETWORKS, shards) | dict.fromkeys(MIXTURES, mixture_shards(study, console))
    for name, tables in trained(study, sets, arguments.seeds, arguments.jobs):
        systems[name].add(tables)
        done = {name: system for name, system in systems.items() if system.is_scored or system.num_diverged}
        atomic_write_text(arguments.output, page(study, outcome, done, arguments.command))
    console.print(arguments.output.read_text(), markup=False, highlight=False)


def variant(trial: TrialConfig, settings: Mapping[str, Any]) -> TrialConfig:
    """The study's own trial with another network."""
    return trial.model_copy(update={"model": trial.model.model_copy(update=dict(settings))})


def mixture_shards(study: Study, console: Console) -> ShardSet:
    """The study's utterances, clean, as the Gaussian mixtures take them."""
    config = study.prep.model_copy(update={"features": MIXTURE_FEATURES, "augmentation": AugmentationConfig()})
    return prepare(config, study.base, study.output, console=console)


def trained(
    study: Study, sets: Mapping[str, ShardSet], num_seeds: int, jobs: int
) -> Iterator[tuple[str, dict[str, ScoreTable] | None]]:
    """Scores of every baseline and seed, those of earlier runs included, as they become ready; none if it diverged."""
    runs = [(name, seed) for seed in range(1, num_seeds + 1) for name in (*MIXTURES, *NETWORKS)]
    runs.sort(key=lambda run: run[0] == LAST and run[1] > 1)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(train, study, sets[name], name, seed): name for name, seed in runs}
        for future in as_completed(waiting):
            folder = future.result()
            diverged = (folder / DIVERGED).exists()
            tables = None if diverged else {split: read_scores(folder / f"{split}.txt") for split in SPLITS}
            yield waiting[future], tables


def train(study: Study, shards: ShardSet, name: str, seed: int) -> Path:
    """Train one baseline, unless that was done; returns the folder of its scores, or of the note that it diverged."""
    folder = baseline_folder(study, shards, name, seed)
    if (folder / f"{SPLITS[-1]}.txt").exists() or (folder / DIVERGED).exists():
        return folder
    torch.set_num_threads(1)
    started = time.monotonic()
    if name in MIXTURES:
        tables = gmm_score_tables(shards, MIXTURES[name], seed)
    else:
        training = Training(variant(study.config.trial, NETWORKS[name]), shards, seed)
        for _ in training:
            pass
        if training.history[-1].diverged:
            atomic_write_text(folder / DIVERGED, f"after {training.history[-1].passes:.2f} passes\n")
            return folder
        tables = {split: training.score(split) for split in SPLITS}
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        tables[split].write(folder / f"{split}.txt")
    print(f"{name}, seed {seed}: {time.monotonic() - started:.0f} s", flush=True)
    return folder


def baseline_folder(study: Study, shards: ShardSet, name: str, seed: int) -> Path:
    """Where a baseline's scores lie: another trial, number of components or shard set has another folder."""
    if name in MIXTURES:
        identity = f"{MIXTURES[name]}-{shards.shard_set_id}"
    else:
        identity = trial_signature(variant(study.config.trial, NETWORKS[name]), seed, shards.shard_set_id)
    slug = name.replace(" ", "-").replace(",", "")
    return study.folder / "baselines" / f"{slug}-seed{seed}-{identity}"


def measure_speed(systems: Mapping[str, System], configs: Mapping[str, TrialConfig], shards: ShardSet) -> None:
    """Utterances a second of training on one core: median over rounds in which all systems take their turn."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    trainings = {name: Training(config, shards, 1) for name, config in configs.items()}
    rates: dict[str, list[float]] = {name: [] for name in configs}
    for number in range(4):  # the first warms up
        for name, training in trainings.items():
            started = time.perf_counter()
            for _ in range(3):
                training.step()
            if number:
                rates[name].append(3 * training.config.batch.size / (time.perf_counter() - started))
    for name, training in trainings.items():
        systems[name].num_parameters = sum(parameter.numel() for parameter in training.model.parameters())
        systems[name].utterances_per_s = median(rates[name])
    torch.set_num_threads(threads)


def page(study: Study, outcome: StudyOutcome, systems: Mapping[str, System], command: str) -> str:
    facts = {**machine_facts("torch", "ray", "optuna", "scikit-learn"), "code": code_version()}
    states = ", ".join(f"{count} {state.lower()}" for state, count in outcome.summary.num_by_state.items())
    trial = study.config.trial
    attacks = list(systems[SWEPT].by_attack())
    columns = [column for s in SPLITS for column in (f"{s} EER %: mean (seeds)", f"{s} EER %: 95 % interval")]
    header = ["system", "parameters", "utterances/s", "seeds", *columns, *attacks]
    lines = [
        "# Quality",
        "",
        f"`{command}`; " + ", ".join(f"{k} {v}" for k, v in facts.items()),
        "",
        f"All on the same utterances, networks as {study.config.features.kind} (the same shards), GMMs as LFCC with "
        f"two derivatives; {trial.budget_passes:g} passes each (GMM: up to 20 iterations of EM). EER: mean over "
        "seeds, lowest and highest seed; the interval is that of the mean, by a "
        "bootstrap that draws seeds and utterances of each class (1,000 resamples); by attack on eval, none of them "
        "in training: means over seeds. Utterances a second of training on one core, all systems in turn. Trainings "
        "of earlier runs are kept, so some may be of earlier code.",
        "",
        f"The sweep: {states}; pruning saved {outcome.summary.compute_saved:.0%} of the training. Chosen by the mean "
        f"EER over leave-attack-out folds, {100 * (outcome.ranking[0].fold_eer or 0):.2f} %.",
        "",
        "| " + " | ".join(header) + " |",
        "|---" * len(header) + "|",
        *(row(system, attacks) for system in systems.values()),
        "",
        *verdicts(systems),
        "",
        "The swept configuration: "
        + ", ".join(f"`{k}` = {v}" for k, v in sorted(outcome.ranking[0].finalists[0].candidate.params.items())),
    ]
    return "\n".join(lines) + "\n"


def row(system: System, attacks: Sequence[str]) -> str:
    by_attack, diverged = system.by_attack(), f" + {system.num_diverged} diverged" if system.num_diverged else ""
    cells = [
        system.name,
        "-" if system.num_parameters is None else f"{system.num_parameters:,}",
        "-" if system.utterances_per_s is None else f"{system.utterances_per_s:.0f}",
        f"{len(system.tables['eval'])}{diverged}",
        *(cell for split in SPLITS for cell in eer_cells(system, split)),
        *(f"{100 * by_attack[attack]:.1f}" if by_attack else "-" for attack in attacks),
    ]
    return "| " + " | ".join(cells) + " |"


def eer_cells(system: System, split: str) -> list[str]:
    if not system.is_scored:
        return ["-", "-"]
    eers = [100 * eer for eer in system.eers(split)]
    low, high = system.intervals[split]
    return [f"**{fmean(eers):.1f}** ({min(eers):.1f} to {max(eers):.1f})", f"{100 * low:.1f} to {100 * high:.1f}"]


def verdicts(systems: Mapping[str, System]) -> Iterator[str]:
    """The swept CNN-GRU against every other system, and what was aimed at."""
    swept = systems[SWEPT]
    yield "The swept CNN-GRU's mean EER over that of"
    yield ""
    for name, system in systems.items():
        if name == SWEPT or not system.is_scored:
            continue
        aims = {split: f" (aim: {AIMS[name][split]})" if name in AIMS else "" for split in SPLITS}
        yield f"- {name}: " + ", ".join(
            f"{split} {swept.mean(split) / system.mean(split):.2f}{aims[split]}" for split in SPLITS
        )


if __name__ == "__main__":
    main()
