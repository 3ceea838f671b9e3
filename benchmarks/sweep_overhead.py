"""What a sweep costs beyond the training: stock Ray Tune + OptunaSearch + ASHA + MLflow callback, and spoofsweep.

Toy trials: a learning curve in closed form, up to 16 reports of 8 metrics, no work and no sleep, two at a time. Every
variant runs in a process of its own with Ray already started, and is timed from its first object to the last byte in
SQLite (Optuna's, where it has one, and MLflow's, whose tables are made anew each time). Rungs at 1, 3 and 9 reports,
reduction factor 3.

    python benchmarks/sweep_overhead.py [--trials 1000] [--stock-trials 40] [--repeats 1] [--output results/reference]

The stock variants take seconds a trial, so they may be given fewer: compare what a trial and a report cost. These two
are told apart by a second run without pruning, where each trial has all 16 reports: seconds = a trials + b reports.
Stock OptunaSearch samples by TPE, spoofsweep by a Gaussian process until 64 trials have ended, which thinks longer, and
then by TPE. Below, what a trial of ours costs as the study grows.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import ray
from growth import Growth, growth_table
from machine import machine_facts
from ray import tune

from cluster.config import ClusterConfig
from cluster.ray_session import ray_session
from search.study.config import StudyConfig
from search.study.study import Study

NUM_REPORTS = 16
SAMPLES_PER_PASS = 100
VARIANTS = {
    "stock": "stock Ray Tune, its defaults",
    "stock-reuse": "stock Ray Tune, reuse_actors=True",
    "stock-tuned": "stock Ray Tune, reuse_actors=True, default loggers off",
    "stock-unpruned": "the same, without pruning",
    "ours": "spoofsweep",
    "ours-tpe": "spoofsweep, TPE alone",
    "ours-unpruned": "the same, without pruning",
}
PAIRS = {"stock-tuned": "stock-unpruned", "ours-tpe": "ours-unpruned"}
"""Two runs that tell what a trial costs from what a report costs."""
SPACE = {
    "optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "optimizer.weight_decay": {"low": 1e-5, "high": 1e-1, "log": True},
    "model.dropout": {"low": 0.0, "high": 0.5},
    "model.gru_size": {"choices": [32, 64, 128]},
    "batch.augmented_share": {"low": 0.0, "high": 1.0},
}


def toy_metrics(learning_rate: float, weight_decay: float, dropout: float, num_reports: int) -> dict[str, float]:
    """Eight metrics of a made-up learning curve."""
    floor = 0.05 + 0.05 * abs(math.log10(learning_rate) + 3) + 0.01 * abs(math.log10(weight_decay) + 3) + 0.1 * dropout
    eer = floor + 0.4 * num_reports**-0.7
    return {
        "dev_eer": eer,
        "dev_eer_low": eer - 0.01,
        "dev_eer_high": eer + 0.01,
        "dev_eer_sd": 0.005,
        "dev_threshold": 0.0,
        "train_loss": 2 * eer,
        "learning_rate": learning_rate,
        "grad_norm": 1 / num_reports,
    }


class ToyTrial(tune.Trainable):
    """Reports ``toy_metrics``; understands both configurations."""

    def setup(self, config: dict[str, Any]) -> None:
        trial = config.get("trial")
        self._point = (
            config["point"]
            if trial is None
            else (
                trial["optimizer"]["learning_rate"],
                trial["optimizer"]["weight_decay"],
                trial["model"]["dropout"],
            )
        )
        self._num_reports = 0

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        self._num_reports += 1
        progress = {"samples_seen": self._num_reports * SAMPLES_PER_PASS, "done": self._num_reports == NUM_REPORTS}
        return {**toy_metrics(*self._point, self._num_reports), **progress}


class FlatToyTrial(ToyTrial):
    """The same under the stock searcher's flat parameter names."""

    def setup(self, config: dict[str, Any]) -> None:
        names = ("optimizer.learning_rate", "optimizer.weight_decay", "model.dropout")
        super().setup({"point": tuple(config[name] for name in names)})


def run_stock(num_trials: int, folder: Path, *, reuse_actors: bool, prunes: bool = True) -> None:
    """The stack as its documentation puts it together."""
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
    from ray.tune.search.optuna import OptunaSearch

    callback = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="stock")
    scheduler = ASHAScheduler(time_attr="training_iteration", max_t=NUM_REPORTS, grace_period=1, reduction_factor=3)
    space = {
        "optimizer.learning_rate": tune.loguniform(1e-4, 1e-2),
        "optimizer.weight_decay": tune.loguniform(1e-5, 1e-1),
        "model.dropout": tune.uniform(0.0, 0.5),
        "model.gru_size": tune.choice([32, 64, 128]),
        "batch.augmented_share": tune.uniform(0.0, 1.0),
    }
    tuner = tune.Tuner(
        tune.with_resources(FlatToyTrial, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="dev_eer",
            mode="min",
            search_alg=OptunaSearch(),  # two cores allow two trials at a time; a limiter would start actors anew
            scheduler=scheduler if prunes else FIFOScheduler(),
            num_samples=num_trials,
            reuse_actors=reuse_actors,
        ),
        run_config=tune.RunConfig(name="stock", storage_path=str(folder), callbacks=[callback], verbose=0),
    )
    tuner.fit()


def run_ours(
    num_trials: int, folder: Path, *, prunes: bool = True, sampler: str = "auto"
) -> list[tuple[int, float, float]]:
    """The same study through ``run_sweep``; returns how it grew."""
    from search.sweep.sweep import run_sweep

    class Shards:
        shard_set_id = "toy"
        index = pandas.DataFrame({"split": ["train"] * SAMPLES_PER_PASS, "view": 0})

    Shards.folder = folder  # type: ignore[attr-defined]
    config = StudyConfig.model_validate(
        {
            "study": {"name": "toy", "output": str(folder)},
            "corpus": {"layout": "manifest", "root": str(folder)},
            "trial": {"budget_passes": NUM_REPORTS},
            "space": SPACE,
            "search": {
                "num_trials": num_trials,
                "sampler": sampler,
                "first_rung_passes": 1.0,
                "rung_trust": False,  # stock ASHA prunes from the first trial on
                "reduction_factor": 3,
                "pruning": "asha" if prunes else "none",
            },
        }
    )
    study = Study(folder / "toy.toml", config)
    growth = Growth(Path(study.storage_url.removeprefix("sqlite:///")))
    growth.start()
    run_sweep(study, Shards(), trainable=ToyTrial)  # type: ignore[arg-type]
    growth.stop()
    return growth.course


def measure(variant: str, num_trials: int) -> dict[str, Any]:
    """Wall time of one variant, in this process, and what MLflow holds afterwards."""
    import mlflow

    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1" if variant in ("stock-tuned", "stock-unpruned") else "0"
    runs: dict[str, Callable[[int, Path], list[tuple[int, float, float]] | None]] = {
        "stock": lambda n, folder: run_stock(n, folder, reuse_actors=False),
        "stock-reuse": lambda n, folder: run_stock(n, folder, reuse_actors=True),
        "stock-tuned": lambda n, folder: run_stock(n, folder, reuse_actors=True),
        "stock-unpruned": lambda n, folder: run_stock(n, folder, reuse_actors=True, prunes=False),
        "ours": run_ours,
        "ours-tpe": lambda n, folder: run_ours(n, folder, sampler="tpe"),
        "ours-unpruned": lambda n, folder: run_ours(n, folder, prunes=False, sampler="tpe"),
    }
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with tempfile.TemporaryDirectory() as name, ray_session(ClusterConfig(num_cpus=2)):
        ray.get([ray.remote(lambda: None).remote() for _ in range(2)])
        start_s, cpu_s = time.perf_counter(), time.process_time()
        growth = runs[variant](num_trials, Path(name)) or []
        wall_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
        client = mlflow.MlflowClient(f"sqlite:///{name}/mlflow.db")
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        found = [run for run in client.search_runs(experiments, max_results=50_000) if "dev_eer" in run.data.metrics]
        results = sum(len(client.get_metric_history(run.info.run_id, "dev_eer")) for run in found)
    counts = {"num_trials": len(found), "num_results": results}
    return {"wall_s": wall_s, "driver_cpu_s": cpu_s, **counts, "growth": growth}


def in_fresh_process(variant: str, num_trials: int) -> dict[str, Any]:
    """``measure`` in a new interpreter."""
    command = [sys.executable, __file__, "--variant", variant, "--trials", str(num_trials)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{variant} failed:\n{done.stderr[-4000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def costs(run: dict[str, Any], unpruned: dict[str, Any]) -> tuple[float, float]:
    """Milliseconds that a trial takes besides its reports, and that a report takes."""
    counts = np.array([[each["num_trials"], each["num_results"]] for each in (run, unpruned)])
    seconds = np.array([each["wall_s"] for each in (run, unpruned)])
    a_trial, a_report = 1000 * np.linalg.solve(counts, seconds)
    return float(a_trial), float(a_report)


def table(figures: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Markdown rows: the median run of each variant, and how many times ours it took, a trial and a result."""
    columns = (
        "",
        "trials",
        "wall s",
        "driver CPU s",
        "ms a trial",
        "times ours",
        "results",
        "ms a result",
        "times ours",
    )
    rows = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    medians = {name: sorted(runs, key=lambda run: run["wall_s"])[len(runs) // 2] for name, runs in figures.items()}
    ours = medians["ours"]
    for name, run in medians.items():
        a_trial, a_result = 1000 * run["wall_s"] / run["num_trials"], 1000 * run["wall_s"] / run["num_results"]
        figures_of_run = (
            f"{run['num_trials']:.0f}",
            f"{run['wall_s']:.1f}",
            f"{run['driver_cpu_s']:.1f}",
            f"{a_trial:.0f}",
            f"{a_trial / (1000 * ours['wall_s'] / ours['num_trials']):.1f}",
            f"{run['num_results']:.0f}",
            f"{a_result:.1f}",
            f"{a_result / (1000 * ours['wall_s'] / ours['num_results']):.1f}",
        )
        rows.append(f"| {VARIANTS[name]} | " + " | ".join(figures_of_run) + " |")
    rows += ["", "| | ms a trial besides its reports | ms a report |", "|---|---|---|"]
    for name, unpruned in PAIRS.items():
        a_trial, a_report = costs(medians[name], medians[unpruned])
        rows.append(f"| {VARIANTS[name]} | {a_trial:.0f} | {a_report:.1f} |")
    return [*rows, "", *growth_table(ours["growth"])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--stock-trials", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("results/reference"))
    parser.add_argument(
        "--variant", choices=VARIANTS, help="run one variant in this process and print its figures as JSON"
    )
    arguments = parser.parse_args()
    if arguments.variant:
        print(json.dumps(measure(arguments.variant, arguments.trials)))
        return
    # Variants take turns, so that a busy spell of the machine hits all of them.
    figures: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    for _ in range(arguments.repeats):
        for name in VARIANTS:
            num_trials = arguments.trials if name.startswith("ours") else arguments.stock_trials
            figures[name].append(in_fresh_process(name, num_trials))
            print(f"{VARIANTS[name]}: {figures[name][-1]['wall_s']:.1f} s", flush=True)
    facts = machine_facts("ray", "optuna", "mlflow")
    rows = table(figures)
    print("\n".join(rows))
    arguments.output.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Sweep overhead",
        "",
        (__doc__ or "").strip(),
        "",
        *rows,
        "",
        ", ".join(f"{key} {value}" for key, value in facts.items()),
    ]
    (arguments.output / "sweep-overhead.md").write_text("\n".join(lines) + "\n")
    (arguments.output / "sweep-overhead.json").write_text(
        json.dumps({"facts": facts, "figures": figures}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
