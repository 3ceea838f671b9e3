"""Records learning curves of a study's search space: random configurations, each trained to the full budget.

    python benchmarks/record_curves.py STUDY [--configs 100] [--workers 2] [--output benchmarks/curves]

Writes OUTPUT/NAME.parquet (see `search.simulation.recorded_curves`), a row a report, anew after each finished
training: the same command goes on with an interrupted recording, and extends a finished one, for a configuration is a
function of the study's seed and its number alone. Seconds are CPU seconds of the training's process, which other work
on the machine lengthens little.
"""

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from rich.console import Console

from data_prep.prepare import prepare
from data_prep.shards import ShardSet
from search.sampling.sampler import make_sampler
from search.study.config import SearchConfig
from search.study.space import SearchSpace
from search.study.study import Study, find_study, load_study
from search.trials.seeds import trial_seed
from trainable.config import TrialConfig
from trainable.data.hold_out import Folds


def configurations(study: Study, number: int) -> list[tuple[dict[str, Any], TrialConfig]]:
    """The first ``number`` random configurations: parameters as Optuna holds them, and the trial."""
    space, seed = SearchSpace(study.config.space), study.config.study.seed
    sampler = make_sampler(SearchConfig(sampler="random"), seed, space)
    source, drawn = optuna.create_study(sampler=sampler), []
    for _ in range(number):
        trial = source.ask()
        config = space.apply(study.config.trial, space.suggest(trial, study.config.trial))
        drawn.append((trial.params, config))
    return drawn


def train(
    params: dict[str, Any], config: TrialConfig, number: int, seed: int, shards_folder: Path, folds: Folds, threads: int
) -> pd.DataFrame:
    """Train a configuration to its end; the reports as rows."""
    import torch

    from trainable.training.folds import begin

    torch.set_num_threads(threads)
    training = begin(config, ShardSet.open(shards_folder), seed, folds=folds)
    start_s = time.process_time()
    rows = [
        {
            "config": number,
            "params": json.dumps(params, sort_keys=True),
            "seed": seed,
            "samples_seen": report.samples_seen,
            "passes": report.passes,
            "dev_eer": report.metrics["dev_eer"],
            "seconds": time.process_time() - start_s,
            "diverged": report.diverged,
        }
        for report in training
    ]
    return pd.DataFrame(rows)


def record(study: Study, shards: ShardSet, num_configs: int, workers: int, path: Path) -> None:
    """Add to the file what is missing of ``num_configs`` trainings, each as it ends."""
    recorded = pd.read_parquet(path) if path.exists() else None
    known = set() if recorded is None else set(recorded["config"])
    drawn, seed = configurations(study, num_configs), study.config.study.seed
    place = (shards.folder, study.folds(shards.index), study.config.cluster.cpus_per_trial)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        futures = [
            pool.submit(train, *drawn[number], number, trial_seed(seed, number), *place)
            for number in range(num_configs)
            if number not in known
        ]
        for future in as_completed(futures):
            recorded = pd.concat([recorded, future.result()]).sort_values(["config", "samples_seen"])
            _write(recorded, path)
            print(f"{recorded['config'].nunique()} of {num_configs} recorded", flush=True)


def _write(reports: pd.DataFrame, path: Path) -> None:
    fresh = path.with_suffix(".new")
    reports.to_parquet(fresh, compression="zstd", index=False)
    fresh.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study")
    parser.add_argument("--configs", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "curves")
    arguments = parser.parse_args()
    study = load_study(find_study(arguments.study))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    shards = prepare(study.prep, study.base, study.output, cluster=study.config.cluster, console=Console())
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / f"{study.name}.parquet"
    record(study, shards, arguments.configs, arguments.workers, path)
    print(path)


if __name__ == "__main__":
    main()
