"""What a trial costs the driver of a real sweep, and what memory it takes, as the study grows to thousands of trials.

The toy trials of `sweep_overhead.py`, pruned from the first report on, through Ray, the ledger and MLflow.

    python benchmarks/sweep_growth.py [--trials 10000] [--output results/reference]
"""

import argparse
from pathlib import Path

from growth import growth_table
from machine import parse_arguments, write_page
from sweep_overhead import in_fresh_process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--output", type=Path, default=Path("results/reference"))
    arguments = parse_arguments(parser)
    run = in_fresh_process("ours", arguments.trials)
    lines = [
        f"{run['num_trials']:,} trials, {run['num_results']:,} reports: {run['wall_s']:.0f} s on the clock, "
        f"{run['driver_cpu_s']:.0f} s of the driver's CPU time.",
        "",
        *growth_table(run["growth"]),
    ]
    path, packages = arguments.output / "sweep-growth.md", ("ray", "optuna", "mlflow")
    write_page(path, "Growth of a sweep", __doc__ or "", packages, arguments.command, lines)


if __name__ == "__main__":
    main()
