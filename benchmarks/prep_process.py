"""`prep` in a process of its own, watched and ended from outside."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from data_prep.config import PrepConfig

_PROGRAM = """
import sys, time
from pathlib import Path
from cluster.config import ClusterConfig
from cluster.ray_session import ray_session
from data_prep.config import PrepConfig
from data_prep.prepare import prepare
if __name__ == "__main__":
    cluster = ClusterConfig(num_cpus=int(sys.argv[3]))
    with ray_session(cluster):
        import ray
        # Workers start, and import torch, before the clock does.
        from data_prep import shard_tasks
        def warm():
            import data_prep.shard_builder
            time.sleep(1.0)
        ray.get([ray.remote(num_cpus=1)(warm).remote() for _ in range(cluster.num_cpus)])
        started = time.monotonic()
        prepare(PrepConfig.model_validate_json(sys.argv[1]), Path(), Path(sys.argv[2]))
        print("seconds", time.monotonic() - started, flush=True)
"""


@dataclass(frozen=True)
class Watched:
    """How a preparation ended."""

    returncode: int
    seconds: float | None
    """Of the preparation alone, without the start of Ray; none if it did not come to its end."""
    peak_driver_mb: float
    """Largest resident set of the driver, in 10^6 bytes."""
    peak_workers_mb: float
    """Largest sum over the Ray workers."""
    output: str


def command(config: PrepConfig, output: Path, num_workers: int) -> list[str]:
    """The program's command line."""
    return [sys.executable, "-c", _PROGRAM, config.model_dump_json(), str(output), str(num_workers)]


def watch(
    config: PrepConfig,
    output: Path,
    num_workers: int,
    interval_s: float = 0.25,
    until: Callable[[], bool] = lambda: False,
) -> Watched:
    """Run a preparation to its end, or kill it with all its processes once ``until`` says so (kill -9)."""
    with subprocess.Popen(
        command(config, output, num_workers), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        driver, peak_driver, peak_workers = psutil.Process(process.pid), 0.0, 0.0
        while process.poll() is None:
            if until():
                kill_tree(driver)
                break
            driver_mb, workers_mb = _resident_mb(driver)
            peak_driver, peak_workers = max(peak_driver, driver_mb), max(peak_workers, workers_mb)
            time.sleep(interval_s)
        text = process.communicate()[0]
    lines = [line for line in text.splitlines() if line.startswith("seconds ")]
    seconds = float(lines[-1].split()[1]) if lines else None
    return Watched(process.returncode, seconds, peak_driver, peak_workers, text)


def kill_tree(driver: psutil.Process) -> None:
    """Kill -9 a driver, its Ray and its Ray's workers, and wait until none is left."""
    with suppress(psutil.NoSuchProcess):
        family = [*driver.children(recursive=True), driver]
        driver.suspend()  # else it could start another while its children are counted
        family = list({*family, *driver.children(recursive=True)})
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs([process for process in family if process.pid != driver.pid], timeout=30)


def _resident_mb(driver: psutil.Process) -> tuple[float, float]:
    """Resident sets of the driver and of the Ray workers together; shared pages count in each."""
    driver_mb = workers_mb = 0.0
    with suppress(psutil.NoSuchProcess):
        driver_mb = driver.memory_info().rss / 1e6
        for child in driver.children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if "".join(child.cmdline()[:1]).startswith("ray::"):  # empty once the process has ended
                    workers_mb += child.memory_info().rss / 1e6
    return driver_mb, workers_mb
