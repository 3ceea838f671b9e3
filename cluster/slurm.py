"""Submits a job to SLURM and shows what it writes until it is over."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cluster.errors import SpoofsweepError

_POLL_S = 2.0
_OVER = (
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "BOOT_FAIL",
    "DEADLINE",
    "PREEMPTED",
)
"""States in which a job has come to its end."""


def submit_and_follow(submit: Sequence[str], folder: Path, console: Console, poll_s: float = _POLL_S) -> int:
    """Submit by ``sbatch --parsable``, show the job's log in ``folder`` as it grows; 0 if the job completed.

    Ctrl-C ends the watching, not the job.

    Raises:
        SpoofsweepError: SLURM does not take the job.
    """
    try:
        job = _output(submit).split(";")[0]
    except subprocess.CalledProcessError as error:
        remedy = "check [cluster.launch.slurm] of the study"
        raise SpoofsweepError("SLURM must take the job", error.stderr.strip(), remedy) from error
    log = folder / f"slurm-{job}.log"
    console.print(f"Job {job}, log {log}; Ctrl-C leaves it running", markup=False, highlight=False, soft_wrap=True)
    shown, state = 0, ""
    try:
        while True:
            before, (state, reason) = state, _state(job)
            if state == "PENDING" and before != state and reason != "None":
                console.print(f"Job {job} waits: {reason}", markup=False, highlight=False)
            shown = _show(log, shown, console)
            if state in _OVER:
                return 0 if state == "COMPLETED" else 1
            time.sleep(poll_s)
    except KeyboardInterrupt:
        console.print(f"Job {job} goes on; `scancel {job}` ends it", markup=False, highlight=False)
        return 0


def _state(job: str) -> tuple[str, str]:
    """State of a job, and why it waits if it does; SLURM remembers a job for minutes after its end (MinJobAge)."""
    try:
        said = _output(["scontrol", "show", "job", job])
    except subprocess.CalledProcessError as error:
        if "Invalid job id" in error.stderr:
            raise SpoofsweepError("SLURM must know the job", job, f"see `sacct -j {job}`") from error
        return "", ""  # SLURM's controller may be starting again
    fields = dict(field.partition("=")[::2] for field in said.split())
    return fields["JobState"], fields["Reason"]


def _show(log: Path, shown: int, console: Console) -> int:
    """Print the whole lines that ``log`` has beyond ``shown`` bytes; returns the bytes printed in all."""
    if not log.exists():
        return shown
    with log.open("rb") as file:
        file.seek(shown)
        new = file.read()
    new = new[: new.rfind(b"\n") + 1]
    console.out(new.decode(errors="replace"), end="", highlight=False)
    return shown + len(new)


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
