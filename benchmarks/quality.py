"""A swept CNN-GRU beside the field's baselines: EER on dev and eval, same shards, same budget, several seeds.

    export SPOOFSWEEP_DEV_CORPUS=/where/it/is/LA
    python benchmarks/quality.py [--seeds 5] [--jobs 2]

Runs the sweep of benchmarks/studies/quality.toml first, or goes on with it. The baselines are the study's own [trial]
with another architecture, so nothing about them is tuned. No choice is made by eval: the swept configuration is the
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
from machine import machine_facts
from rich.console import Console

from data_prep.atomic import atomic_write_text
from data_prep.shards import ShardSet
from search.launch import launch
from search.report import StudyOutcome
from search.study import Study, load_study
from trainable.config import TrialConfig
from trainable.score_file import read_scores
from trainable.score_summary import ScoreSummary, summarise
from trainable.scores import ScoreTable
from trainable.training import Training

STUDY = Path(__file__).parent / "studies" / "quality.toml"
SWEPT = "CNN-GRU, swept"
NETWORKS: dict[str, dict[str, Any]] = {
    "LCNN-BiLSTM": {"kind": "lcnn_bilstm", "dropout": 0.7},
    "graph, AASIST-L-sized": {"kind": "graph", "dropout": 0.5},
    "CNN-Conformer": {"kind": "cnn_conformer"},
    "CNN-GRU, default": {},
}
"""Settings of ``[trial.model]``; dropout as published where it is."""
MIXTURES = {"LFCC-GMM 64": 64, "LFCC-GMM 512": 512}
LAST = "LFCC-GMM 512"
"""Its further seeds come when all else is done: they take as long as the largest network."""
SPLITS = ("dev", "eval")
NUM_RESAMPLES = 500
# What a sweep should bring over the challenge's baseline.
AIMS = {"dev": 0.35, "eval": 0.6}


@dataclass
class System:
    """One row of the table."""

    name: str
    num_parameters: int | None = None
    utterances_per_s: float | None = None
    summaries: dict[str, list[ScoreSummary]] = field(default_factory=lambda: {split: [] for split in SPLITS})

    def add(self, tables: Mapping[str, ScoreTable]) -> None:
        for split in SPLITS:
            self.summaries[split].append(summarise(tables[split], NUM_RESAMPLES))

    def mean(self, split: str) -> float:
        return fmean(summary.eer for summary in self.summaries[split])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, one core each")
    parser.add_argument("--output", type=Path, default=Path("results/reference/quality.md"))
    arguments = parser.parse_args()
    study, console = load_study(STUDY), Console()
    outcome = launch(study, console)
    if outcome is None:
        raise SystemExit("the sweep was stopped; run this again to go on")
    champion = outcome.champion.finalist
    shards = ShardSet.open(study.shards_folder / champion.record.shard_set_id)
    systems = {name: System(name) for name in (*MIXTURES, *NETWORKS, SWEPT)}
    for finalist in outcome.ranking[0].finalists:
        systems[SWEPT].add({split: finalist.scores(split) for split in SPLITS})
    configs = {name: variant(study.config.trial, settings) for name, settings in NETWORKS.items()}
    configs[SWEPT] = champion.record.trial
    measure_speed(systems, configs, shards)
    for name, tables in trained(study, shards, arguments.seeds, arguments.jobs):
        systems[name].add(tables)
        done = {name: system for name, system in systems.items() if system.summaries["dev"]}
        atomic_write_text(arguments.output, page(study, outcome, done, arguments.seeds))
    console.print(arguments.output.read_text(), markup=False, highlight=False)


def variant(trial: TrialConfig, settings: Mapping[str, Any]) -> TrialConfig:
    """The study's own trial with another network."""
    return trial.model_copy(update={"model": trial.model.model_copy(update=dict(settings))})


def trained(study: Study, shards: ShardSet, num_seeds: int, jobs: int) -> Iterator[tuple[str, dict[str, ScoreTable]]]:
    """Scores of every baseline and seed, those of earlier runs included, as they become ready."""
    runs = [(name, seed) for seed in range(1, num_seeds + 1) for name in (*MIXTURES, *NETWORKS)]
    runs.sort(key=lambda run: run[0] == LAST and run[1] > 1)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(train, study, shards, name, seed): name for name, seed in runs}
        for future in as_completed(waiting):
            folder = future.result()
            yield waiting[future], {split: read_scores(folder / f"{split}.txt") for split in SPLITS}


def train(study: Study, shards: ShardSet, name: str, seed: int) -> Path:
    """Train one baseline, unless that was done; returns the folder of its scores."""
    folder = study.folder / "baselines" / f"{name.replace(' ', '-').replace(',', '')}-seed{seed}"
    if (folder / f"{SPLITS[-1]}.txt").exists():
        return folder
    torch.set_num_threads(1)
    started = time.monotonic()
    if name in MIXTURES:
        tables = gmm_score_tables(shards, MIXTURES[name], seed)
    else:
        training = Training(variant(study.config.trial, NETWORKS[name]), shards, seed)
        for _ in training:
            pass
        tables = {split: training.score(split) for split in SPLITS}
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        tables[split].write(folder / f"{split}.txt")
    print(f"{name}, seed {seed}: {time.monotonic() - started:.0f} s", flush=True)
    return folder


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


def page(study: Study, outcome: StudyOutcome, systems: Mapping[str, System], num_seeds: int) -> str:
    facts = machine_facts("torch", "ray", "optuna", "scikit-learn")
    states = ", ".join(f"{count} {state.lower()}" for state, count in outcome.summary.num_by_state.items())
    trial = study.config.trial
    attacks = sorted(systems[SWEPT].summaries["eval"][0].by_attack)
    header = ["system", "parameters", "utterances/s", "seeds", *(f"{s} EER % (seeds; 95 %)" for s in SPLITS), *attacks]
    lines = [
        "# Quality",
        "",
        f"`python benchmarks/quality.py --seeds {num_seeds}`; " + ", ".join(f"{k} {v}" for k, v in facts.items()),
        "",
        f"All on the same shards, {trial.budget_passes:g} passes over the training split each (GMM: up to 20 "
        "iterations of EM). EER: mean over seeds, lowest and highest seed, and the mean of the seeds' bootstrap "
        "intervals; by attack on eval, none of them in training: means over seeds. Utterances a second of training on "
        "one core, all systems in turn.",
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
    found = system.summaries["eval"]
    cells = [
        system.name,
        "-" if system.num_parameters is None else f"{system.num_parameters:,}",
        "-" if system.utterances_per_s is None else f"{system.utterances_per_s:.0f}",
        str(len(found)),
        *(cell(system.summaries[split]) for split in SPLITS),
        *(f"{100 * fmean(summary.by_attack[attack] for summary in found):.1f}" for attack in attacks),
    ]
    return "| " + " | ".join(cells) + " |"


def cell(found: Sequence[ScoreSummary]) -> str:
    eers = [100 * summary.eer for summary in found]
    low, high = (100 * fmean(getattr(summary.interval, end) for summary in found) for end in ("low", "high"))
    return f"**{fmean(eers):.1f}** ({min(eers):.1f} to {max(eers):.1f}; {low:.1f} to {high:.1f})"


def verdicts(systems: Mapping[str, System]) -> Iterator[str]:
    """The swept CNN-GRU against every other system, and what was aimed at."""
    swept = systems[SWEPT]
    yield "The swept CNN-GRU's mean EER over that of"
    yield ""
    for name, system in systems.items():
        if name == SWEPT:
            continue
        aims = {split: f" (aim: at most {AIMS[split]:g})" if name in MIXTURES else "" for split in SPLITS}
        yield f"- {name}: " + ", ".join(
            f"{split} {swept.mean(split) / system.mean(split):.2f}{aims[split]}" for split in SPLITS
        )


if __name__ == "__main__":
    main()
