"""What a trial costs the driver of a real sweep, and what memory it takes, as the study grows to thousands of trials.

The toy trials of `sweep_overhead.py`, pruned from the first report on, through Ray, the ledger and MLflow.

    python benchmarks/sweep_growth.py [--trials 10000] [--output results/reference]
"""

import argparse
from pathlib import Path

from growth import growth_table
from machine import machine_facts, parse_arguments
from sweep_overhead import in_fresh_process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--output", type=Path, default=Path("results/reference"))
    arguments = parse_arguments(parser)
    run = in_fresh_process("ours", arguments.trials)
    facts = ", ".join(f"{name} {value}" for name, value in machine_facts("ray", "optuna", "mlflow").items())
    lines = [
        "# Growth of a sweep",
        "",
        f"`{arguments.command}`; {facts}",
        "",
        *(__doc__ or "").strip().splitlines(),
        "",
        f"{run['num_trials']:,} trials, {run['num_results']:,} reports: {run['wall_s']:.0f} s on the clock, "
        f"{run['driver_cpu_s']:.0f} s of the driver's CPU time.",
        "",
        *growth_table(run["growth"]),
    ]
    text = "\n".join(lines) + "\n"
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "sweep-growth.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
