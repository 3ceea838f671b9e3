"""Sweeps that are disturbed at random moments, and what is left of them: spoofsweep, stock `Tuner.restore` beside it.

    python benchmarks/chaos.py [--sweeps 30] [--faults driver worker node mlflow database] [--seed 1]

The faults take turns: kill -9 of the driver, whose command is then given again; kill -9 of a worker process; a machine
of the cluster taken away, another added after a while; the MLflow server, or the database of the ledger (PostgreSQL,
spoofsweep only), stopped and started five seconds later. A fault strikes once, when a random number of reports has been
trained. Counted afterwards, in ledger (or Ray Tune's results) and MLflow:

- lost trials: of those asked for, those that neither finished nor were pruned;
- runs in MLflow beyond one a trial; runs left as if they still ran; reports that MLflow lacks or has twice;
- wrong reports: values at samples where an undisturbed trial has others (its curve is known in closed form);
- reports trained more than once;
- recovery: from the fault to the next report that was trained.
"""

import argparse
import json
import math
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from chaos_sweeps import NUM_REPORTS, NUM_TRIALS, SAMPLES_PER_PASS, TRAINED, curve, study_of
from machine import machine_facts, parse_arguments

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from postgres_server import PostgresServer

FAULTS = ("driver", "worker", "node", "mlflow", "database")
STACKS = ("ours", "stock")
AWAY_S = 5.0
LIMIT_S = 300.0
ACTORS = {"ours": "ChaosTrial", "stock": "StockTrial"}


@dataclass(frozen=True)
class Damage:
    """What one disturbed sweep came to."""

    stack: str
    fault: str
    after_reports: int
    recovery_s: float
    is_done: bool
    lost_trials: int
    extra_runs: int
    open_runs: int
    missing_metrics: int
    doubled_metrics: int
    wrong_reports: int
    trained_twice: int


class MlflowServer:
    """A tracking server of its own on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        store = f"sqlite:///{self._folder / 'mlflow.db'}"
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--workers", "1"]
        command += ["--port", str(self._port), "--artifacts-destination", str(self._folder / "artifacts")]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 120
        while not is_open(self._port):
            if time.monotonic() > deadline:
                raise SystemExit("the MLflow server does not start")
            time.sleep(0.2)

    def stop(self) -> None:
        end_tree(self._process)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=30)
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--stacks", nargs="+", choices=STACKS, default=list(STACKS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("results/reference/chaos.md"))
    arguments = parse_arguments(parser)
    draw = random.Random(arguments.seed)
    found = []
    for number in range(arguments.sweeps):
        fault = arguments.faults[number % len(arguments.faults)]
        after = draw.randint(3, NUM_TRIALS * NUM_REPORTS // 4)
        for stack in arguments.stacks:
            if (stack, fault) == ("stock", "database"):
                continue  # it keeps its trials in files
            found.append(disturb(stack, fault, after))
            print(json.dumps(asdict(found[-1])), flush=True)
    text = page(found, arguments.command)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text)
    print(text)


def disturb(stack: str, fault: str, after_reports: int) -> Damage:
    """One sweep with one fault."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
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
        wait_for_reports(folder, after_reports, driver)
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
        return Damage(stack, fault, after_reports, recovery_s, is_done, **counts, trained_twice=twice)


def of_ours(folder: Path, places: dict[str, Any]) -> dict[str, int]:
    """Damage by the ledger and MLflow."""
    from search.study_reader import read_trials

    study = study_of(folder, places)
    trials = read_trials(study.storage_url, study.name)[0]
    ended = [trial for trial in trials if trial.state in ("COMPLETE", "PRUNED")]
    wrong = sum(
        value != curve(trial.params["optimizer.learning_rate"], samples // SAMPLES_PER_PASS)
        for trial in trials
        for samples, value in trial.reports.items()
    )
    wanted = {str(trial.number): set(trial.reports) for trial in trials}
    return {"lost_trials": NUM_TRIALS - len(ended), "wrong_reports": wrong} | of_mlflow(
        places["tracking_uri"], "spoofsweep", "spoofsweep.trial_number", wanted
    )


def of_stock(folder: Path, places: dict[str, Any]) -> dict[str, int]:
    """Damage by Ray Tune's own results and MLflow."""
    from ray import tune

    wanted, ended, wrong = {}, 0, 0
    if tune.Tuner.can_restore(str(folder / "stock")):
        for result in tune.ExperimentAnalysis(str(folder / "stock")).trials:
            frame = result.metric_analysis.get("dev_eer", {})
            last = result.last_result
            ended += result.status == "TERMINATED" and bool(last)
            numbers = range(1, last.get("training_iteration", 0) + 1)
            wanted[result.trial_id] = set(numbers)
            wrong += bool(last) and frame.get("last") != curve(last["config"]["learning_rate"], max(numbers, default=1))
    return {"lost_trials": NUM_TRIALS - ended, "wrong_reports": wrong} | of_mlflow(
        places["tracking_uri"], "stock", "trial_name", wanted
    )


def of_mlflow(uri: str, experiment: str, tag: str, wanted: dict[str, set[int]]) -> dict[str, int]:
    """Runs and reports that are too many or too few."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], max_results=1000) if found else []
    extra = open_runs = missing = doubled = 0
    runs_of: dict[str, list[Any]] = {}
    for run in runs:
        name = run.data.tags.get(tag)
        if name is not None:
            runs_of.setdefault(name, []).append(run)
    for named in runs_of.values():
        extra += len(named) - 1
        open_runs += sum(run.info.status in ("RUNNING", "SCHEDULED") for run in named)
    for number, steps in wanted.items():
        # Ray Tune names its runs by the trainable and the trial's identifier.
        named = runs_of.get(number) or next(
            (found for name, found in runs_of.items() if name.endswith("_" + number)), []
        )
        history = [metric.step for run in named for metric in client.get_metric_history(run.info.run_id, "dev_eer")]
        missing += len(steps - set(history))
        doubled += len(history) - len(set(history))
    return {
        "extra_runs": extra,
        "open_runs": open_runs,
        "missing_metrics": missing,
        "doubled_metrics": doubled,
    }


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
    """Whether training has recovered: workers of a killed driver may come to the end of their report."""
    if fault in ("mlflow", "database"):
        return len(now) > len(before)
    known = {line.rpartition(" ")[2] for line in before}
    return any(line.rpartition(" ")[2] not in known for line in now[len(before) :])


def actor_process(name: str) -> psutil.Process:
    """A worker process of Ray that runs a trial."""
    for process in psutil.process_iter(["cmdline"]):
        if any(name in word and word.startswith("ray::") for word in process.info["cmdline"] or ()):
            return process
    raise SystemExit(f"no process of {name} was found")


class ThreeNodes:
    """A head without cores and two machines of one core, all of them processes here."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        self._nodes = [self._cluster.add_node(num_cpus=1) for _ in range(2)]
        self.address = self._cluster.address

    def lose_a_node(self) -> None:
        self._cluster.remove_node(self._nodes[0], allow_graceful=False)
        time.sleep(AWAY_S)
        self._cluster.add_node(num_cpus=1)

    def shutdown(self) -> None:
        self._cluster.shutdown()


@contextmanager
def three_nodes() -> Iterator[ThreeNodes]:
    cluster = ThreeNodes()
    try:
        yield cluster
    finally:
        cluster.shutdown()


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that came of it."""
    try:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        member.kill()
    process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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
        "| " + " | ".join((*header, "recovery s: median (longest)")) + " |",
        "|---" * (len(header) + 1) + "|",
    ]
    for fault in FAULTS:
        for stack in STACKS:
            sweeps = [damage for damage in found if (damage.fault, damage.stack) == (fault, stack)]
            if sweeps:
                times = sorted(damage.recovery_s for damage in sweeps if not math.isnan(damage.recovery_s))
                recovery = f"{times[len(times) // 2]:.1f} ({times[-1]:.1f})" if times else "-"
                sums = [str(sum(getattr(damage, name) for damage in sweeps)) for name in columns]
                done = str(sum(damage.is_done for damage in sweeps))
                lines.append(f"| {' | '.join((fault, stack, str(len(sweeps)), done, *sums, recovery))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if shutil.which("initdb") is None and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        print("no PostgreSQL here: leave out the fault 'database'", file=sys.stderr)
    main()
