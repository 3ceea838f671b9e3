"""Sweeps that are disturbed at random moments, and what is left of them: spoofsweep, stock `Tuner.restore` beside it.

    python benchmarks/chaos.py [--sweeps 30] [--at-once 2 1] [--faults driver worker node mlflow database] [--seed 1]
        [--output results/reference]

The faults take turns: kill -9 of the driver, whose command is then given again; kill -9 of a worker process; a machine
of the cluster taken away, another added after a while; the MLflow server, or the database of the ledger (PostgreSQL,
spoofsweep only), stopped and started five seconds later. A fault strikes once, when a random number of reports has been
trained. So many sweeps there are with two trials side by side, and as many with one at a time: these have one course
alone that they can take, and a sweep that nothing disturbs takes it first. Counted afterwards, in ledger (or Ray Tune's
results) and MLflow:

- lost trials: of those asked for, those that neither finished nor were pruned;
- runs in MLflow beyond one a trial; runs left as if they still ran; reports that MLflow lacks or has twice;
- wrong reports: values at samples where an undisturbed trial has others (its curve is known in closed form);
- unlike trials, of sweeps with one trial at a time: those that ended at another rung, or in another state, than in the
  undisturbed one;
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
NO_FAULT = "none"
STACKS = ("ours", "stock")
LIMIT_S = 300.0
ACTORS = {"ours": "ChaosTrial", "stock": "StockTrial"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=30)
    parser.add_argument("--at-once", nargs="+", type=int, default=[2, 1])
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--stacks", nargs="+", choices=STACKS, default=list(STACKS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("results/reference"))
    arguments = parse_arguments(parser)
    arguments.output.mkdir(parents=True, exist_ok=True)
    kept = arguments.output / "chaos.jsonl"
    lines = kept.read_text().splitlines() if kept.exists() else []
    found = {damage.sweep: damage for damage in map(Damage.of_line, lines)}
    sweeps = [
        sweep
        for at_once in arguments.at_once
        for sweep in drawn(arguments.sweeps, arguments.faults, arguments.stacks, arguments.seed, at_once)
    ]
    for sweep in sweeps:
        if sweep not in found:
            found[sweep] = disturb(sweep)
            with kept.open("a") as file:
                print(json.dumps(asdict(found[sweep])), file=file)
            print(json.dumps(asdict(found[sweep])), flush=True)
    text = page([found[sweep] for sweep in sweeps], arguments.command)
    (arguments.output / "chaos.md").write_text(text)
    print(text)


def drawn(num_sweeps: int, faults: list[str], stacks: list[str], seed: int, at_once: int) -> list[Sweep]:
    """The sweeps, each with its fault; both stacks are struck after as many reports."""
    draw = random.Random(seed)
    sweeps = [Sweep(-1, stack, NO_FAULT, 0, at_once) for stack in stacks if at_once == 1]
    for number in range(num_sweeps):
        fault, after = faults[number % len(faults)], draw.randint(3, NUM_TRIALS * NUM_REPORTS // 4)
        # Stock Ray Tune has no database: it keeps its trials in files.
        of = [stack for stack in stacks if (stack, fault) != ("stock", "database")]
        sweeps += [Sweep(number, stack, fault, after, at_once) for stack in of]
    return sweeps


def disturb(sweep: Sweep) -> Damage:
    """One sweep with its fault."""
    stack, fault = sweep.stack, sweep.fault
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        folder.chmod(0o755)  # PostgreSQL runs as another user
        server = MlflowServer(folder)
        opened.callback(server.stop)
        places: dict[str, Any] = {"tracking_uri": server.uri, "at_once": sweep.at_once}
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
        if fault == NO_FAULT:
            driver.wait(LIMIT_S)
        elif fault == "driver":
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
    ]
    for at_once in sorted({damage.sweep.at_once for damage in found}, reverse=True):
        lines += ["", "## One trial at a time" if at_once == 1 else f"## {at_once} trials side by side", ""]
        lines += ["| " + " | ".join((*header, "unlike trials", "recovery s: median (longest), of sweeps")) + " |"]
        lines += ["|---" * (len(header) + 2) + "|"]
        of = [damage for damage in found if damage.sweep.at_once == at_once]
        lines += [
            row([damage for damage in of if (damage.sweep.fault, damage.sweep.stack) == (fault, stack)], columns, of)
            for fault in FAULTS
            for stack in STACKS
            if any((damage.sweep.fault, damage.sweep.stack) == (fault, stack) for damage in of)
        ]
    return "\n".join(lines) + "\n"


def row(sweeps: list[Damage], columns: tuple[str, ...], all_sweeps: list[Damage]) -> str:
    """The line of one fault and stack; ``all_sweeps`` have the undisturbed ones among them, where there are any."""
    fault, stack = sweeps[0].sweep.fault, sweeps[0].sweep.stack
    times = sorted(damage.recovery_s for damage in sweeps if not math.isnan(damage.recovery_s))
    recovery = f"{median(times):.1f} ({times[-1]:.1f}), {len(times)}" if times else "-"
    sums = [str(sum(getattr(damage, name) for damage in sweeps)) for name in columns]
    calm = [damage for damage in all_sweeps if (damage.sweep.fault, damage.sweep.stack) == (NO_FAULT, stack)]
    unlike = str(sum(damage.num_unlike(calm[0]) for damage in sweeps)) if calm else "-"
    done = str(sum(damage.is_done for damage in sweeps))
    return f"| {' | '.join((fault, stack, str(len(sweeps)), done, *sums, unlike, recovery))} |"


if __name__ == "__main__":
    if shutil.which("initdb") is None and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        print("no PostgreSQL here: leave out the fault 'database'", file=sys.stderr)
    main()
