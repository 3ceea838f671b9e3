"""What the driver's decisions cost as a study grows: a sweep in virtual time, thousands of trials, a thousand workers.

Conductor, ledger, sampler and pruner are those of a real sweep with the demo's search space and a study's default
settings; training, Ray, MLflow and the disk have no part in it (the ledger lies in memory). One process, one core. The
cost of a trial is all that happens from one trial's end to the next one's, its reports included.

    python benchmarks/simulator_speed.py [--trials 10000] [--workers 1000] [--sampler tpe] [--output results/reference]
"""

import argparse
import resource
import time
from pathlib import Path

from machine import memory_bytes, parse_arguments, write_page

from search.pruning.horizon import horizon_of
from search.simulation.synthetic_curves import FAMILIES, SyntheticCurves
from search.simulation.virtual_sweep import virtual_sweep
from search.study.config import SearchConfig
from search.study.space import SearchSpace
from search.study.study import find_study, load_study

SAMPLES_PER_PASS, NUM_DEV = 25_380, (2_548, 22_296)
"""ASVspoof 2019 LA."""
NUM_PARTS = 10


def measure(num_trials: int, num_workers: int, sampler: str) -> tuple[list[str], float, float]:
    """Rows of a table, seconds on the clock, and seconds of CPU time."""
    demo = load_study(find_study("demo")).config
    search = SearchConfig(num_trials=num_trials, sampler=sampler)  # type: ignore[arg-type]
    config = demo.model_copy(update={"search": search})
    horizon, space = horizon_of(config, SAMPLES_PER_PASS), SearchSpace(config.space)
    curves = SyntheticCurves(space, horizon, FAMILIES["benign"], seed=1, num_dev=NUM_DEV)
    rows, num_reports, part = [], 0, num_trials // NUM_PARTS
    start_s = last_s = time.perf_counter()
    start_cpu_s = last_cpu_s = time.process_time()
    for number, trial in enumerate(virtual_sweep(config, horizon, curves, num_workers, seed=1), 1):
        num_reports += int((trial.curve.samples_seen <= trial.samples_seen).sum())
        if number % part == 0:
            now_s, now_cpu_s = time.perf_counter(), time.process_time()
            rows.append(
                f"| {number:,} | {1e3 * (now_s - last_s) / part:.2f} | {1e3 * (now_cpu_s - last_cpu_s) / part:.2f} "
                f"| {num_reports / part:.1f} | {memory_bytes('VmRSS') / 1e6:.0f} |"
            )
            last_s, last_cpu_s, num_reports = now_s, now_cpu_s, 0
    return rows, time.perf_counter() - start_s, time.process_time() - start_cpu_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--output", type=Path, default=Path("results/reference"))
    arguments = parse_arguments(parser)
    rows, wall_s, cpu_s = measure(arguments.trials, arguments.workers, arguments.sampler)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    lines = [
        f"{arguments.trials:,} trials by {arguments.workers:,} workers, {arguments.sampler}: {wall_s:.0f} s on the "
        f"clock, {cpu_s:.0f} s of CPU time, {peak_mb:.0f} MB at most.",
        "",
        "| trials ended | ms a trial | CPU ms a trial | reports a trial | memory, MB |",
        "|---|---|---|---|---|",
        *rows,
    ]
    path = arguments.output / "simulator-speed.md"
    write_page(path, "Simulator speed", __doc__ or "", ["optuna"], arguments.command, lines)


if __name__ == "__main__":
    main()
