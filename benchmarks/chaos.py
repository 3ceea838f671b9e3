"""Sweeps that are disturbed at random moments, and what is left of them: spoofsweep, stock `Tuner.restore` beside it.

    python benchmarks/chaos.py [--sweeps 30] [--faults driver worker node mlflow database] [--seed 1]
        [--output results/reference]

The faults take turns: kill -9 of the driver, whose command is then given again; kill -9 of a worker process; a machine
of the cluster taken away, another added after a while; the MLflow server, or the database of the ledger (PostgreSQL,
spoofsweep only), stopped and started five seconds later. A fault strikes once, when a random number of reports has been
trained. Counted afterwards, in ledger (or Ray Tune's results) and MLflow:

- lost trials: of those asked for, those that neither finished nor were pruned;
- runs in MLflow beyond one a trial; runs left as if they still ran; reports that MLflow lacks or has twice;
- wrong reports: values at samples where an undisturbed trial has others (its curve is known in closed form);
- reports trained more than once;
- recovery: from the fault to the next report that was trained; where a driver, a worker or a machine is lost, by a new
  process or of a trial that was struck; none where what was left came to the sweep's end before.

What is done lies in OUTPUT/chaos.jsonl: the same command goes on.
"""

import argparse
import json
import math
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from chaos_damage import Damage, Sweep, of_ours, of_stock
from chaos_faults import AWAY_S, MlflowServer, actor_process, end_tree, three_nodes
from chaos_sweeps import NUM_REPORTS, NUM_TRIALS, TRAINED
from machine import machine_facts, parse_arguments

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from postgres_server import PostgresServer

FAULTS = ("driver", "worker", "node", "mlflow", "database")
STACKS = ("ours", "stock")
LIMIT_S = 300.0
ACTORS = {"ours": "ChaosTrial", "stock": "StockTrial"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=30)
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--stacks", nargs="+", choices=STACKS, default=list(STACKS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("results/reference"))
    arguments = parse_arguments(parser)
    arguments.output.mkdir(parents=True, exist_ok=True)
    kept = arguments.output / "chaos.jsonl"
    lines = kept.read_text().splitlines() if kept.exists() else []
    found = {damage.sweep: damage for damage in map(Damage.of_line, lines)}
    sweeps = drawn(arguments.sweeps, arguments.faults, arguments.stacks, arguments.seed)
    for sweep in sweeps:
        if sweep not in found:
            found[sweep] = disturb(sweep)
            with kept.open("a") as file:
                print(json.dumps(asdict(found[sweep])), file=file)
            print(json.dumps(asdict(found[sweep])), flush=True)
    text = page([found[sweep] for sweep in sweeps], arguments.command)
    (arguments.output / "chaos.md").write_text(text)
    print(text)


def drawn(num_sweeps: int, faults: list[str], stacks: list[str], seed: int) -> list[Sweep]:
    """The sweeps, each with its fault; both stacks are struck after as many reports."""
    draw, sweeps = random.Random(seed), []
    for number in range(num_sweeps):
        fault, after = faults[number % len(faults)], draw.randint(3, NUM_TRIALS * NUM_REPORTS // 4)
        # Stock Ray Tune has no database: it keeps its trials in files.
        sweeps += [Sweep(number, stack, fault, after) for stack in stacks if (stack, fault) != ("stock", "database")]
    return sweeps


def disturb(sweep: Sweep) -> Damage:
    """One sweep with its fault."""
    stack, fault = sweep.stack, sweep.fault
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        folder.chmod(0o755)  # PostgreSQL runs as another user
        server = MlflowServer(folder)
        opened.callback(server.stop)
        places: dict[str, Any] = {"tracking_uri": server.uri}
        database = cluster = None
        if fault == "database":
            database = opened.enter_context(PostgresServer.running(folder / "postgres"))
            places["storage"] = database.url
        if fault == "node":
            cluster = opened.enter_context(three_nodes())
            places["address"] = cluster.address
        driver = start(stack, folder, places)
        opened.callback(lambda: end_tree(driver))
        wait_for_reports(folder, sweep.after_reports, driver)
        struck, before = time.monotonic(), trained(folder)
        if fault == "driver":
            driver.send_signal(signal.SIGKILL)
            driver.wait()
            driver = start(stack, folder, places)
        elif fault == "worker":
            actor_process(ACTORS[stack]).kill()
        elif cluster is not None:
            cluster.lose_a_node()
        else:
            part = database or server
            part.stop()
            time.sleep(AWAY_S)
            part.start()
        recovery_s = math.nan
        while driver.poll() is None and time.monotonic() - struck < LIMIT_S:
            if math.isnan(recovery_s) and goes_on(before, trained(folder), fault):
                recovery_s = time.monotonic() - struck
            time.sleep(0.1)
        is_done = driver.poll() == 0
        counts = (of_ours if stack == "ours" else of_stock)(folder, places)
        reports = Counter(line.rpartition(" ")[0] for line in trained(folder))
        twice = sum(count - 1 for count in reports.values())
        return Damage(sweep, recovery_s, is_done, **counts, trained_twice=twice)


def start(stack: str, folder: Path, places: dict[str, Any]) -> subprocess.Popen[bytes]:
    """A driver; the same command begins and goes on."""
    script = Path(__file__).with_name("chaos_sweeps.py")
    with (folder / "driver.log").open("ab") as log:
        command = [sys.executable, str(script), stack, str(folder), json.dumps(places)]
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def wait_for_reports(folder: Path, number: int, driver: subprocess.Popen[bytes]) -> None:
    while len(trained(folder)) < number:
        if driver.poll() is not None:
            raise SystemExit(f"the driver ended by itself:\n{(folder / 'driver.log').read_text()[-4000:]}")
        time.sleep(0.05)


def trained(folder: Path) -> list[str]:
    """A line a report: the trial, the report's number, the process."""
    path = folder / TRAINED
    return path.read_text().splitlines() if path.exists() else []


def goes_on(before: list[str], now: list[str], fault: str) -> bool:
    """Whether training has recovered."""
    fresh = [line.split() for line in now[len(before) :]]
    if fault in ("mlflow", "database"):
        return bool(fresh)
    last = {line.split()[2]: line.split()[0] for line in before}
    struck = {trial for process, trial in last.items() if not psutil.pid_exists(int(process))}
    # Workers of a killed driver may still come to the end of their report.
    return any(
        process not in last or (trial in struck and psutil.pid_exists(int(process)) and fault != "driver")
        for trial, _, process in fresh
    )


def page(found: list[Damage], command: str) -> str:
    facts = machine_facts("ray", "optuna", "mlflow")
    columns = ("lost_trials", "extra_runs", "open_runs", "missing_metrics", "doubled_metrics", "wrong_reports")
    columns = (*columns, "trained_twice")
    header = ("fault", "stack", "sweeps", "came to their end", *(name.replace("_", " ") for name in columns))
    lines = [
        "# Chaos",
        "",
        f"`{command}`; " + ", ".join(f"{name} {value}" for name, value in facts.items()),
        "",
        f"Sweeps of {NUM_TRIALS} toy trials of up to {NUM_REPORTS} reports, each disturbed once. Sums over the sweeps.",
        "",
        "| " + " | ".join((*header, "recovery s: median (longest), of sweeps")) + " |",
        "|---" * (len(header) + 1) + "|",
    ]
    for fault in FAULTS:
        for stack in STACKS:
            sweeps = [damage for damage in found if (damage.sweep.fault, damage.sweep.stack) == (fault, stack)]
            if sweeps:
                times = sorted(damage.recovery_s for damage in sweeps if not math.isnan(damage.recovery_s))
                recovery = f"{median(times):.1f} ({times[-1]:.1f}), {len(times)}" if times else "-"
                sums = [str(sum(getattr(damage, name) for damage in sweeps)) for name in columns]
                done = str(sum(damage.is_done for damage in sweeps))
                lines.append(f"| {' | '.join((fault, stack, str(len(sweeps)), done, *sums, recovery))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if shutil.which("initdb") is None and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        print("no PostgreSQL here: leave out the fault 'database'", file=sys.stderr)
    main()
