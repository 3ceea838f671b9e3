"""Hands rendered files to the tool that a cluster has, and shows what comes of it."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

from rich.console import Console

from cluster.errors import SpoofsweepError
from cluster.launch_files import CLUSTER_FILES, RAY_UP, SWEEP_SCRIPT, LaunchPlan

RUNTIME_ENVIRONMENT = "runtime-env.json"
"""Name of the file with the environment of a job; it may hold passwords."""
_JOB_SERVER = "http://127.0.0.1:8265"
"""Ray's jobs as the head itself reaches them; they are open to nobody else."""
_INSTALL = {
    "ray": "install spoofsweep[cluster] here",
    "kubectl": "install it (https://kubernetes.io/docs/tasks/tools) and point it to the cluster",
    "sbatch": "run this on a login node of the SLURM cluster",
}


def commands(target: str, plan: LaunchPlan, code: Path) -> list[list[str]]:
    """What submits a launch and follows it, one after another, each a program with its arguments.

    Args:
        target: one of `TARGETS`, or the address of a running cluster.
        plan: what is launched.
        code: folder with the code, the study and the sweep script.
    """
    if target in RAY_UP:
        return _ray_up(target, plan, code)
    if target == "kuberay":
        return _kubectl(plan)
    if target == "slurm":
        return [["sbatch", "--parsable", str(plan.folder / CLUSTER_FILES[target])]]
    environment = str(plan.folder / RUNTIME_ENVIRONMENT)
    return [[_program("ray"), "job", "submit", "--address", target, *_job(str(code), environment)]]


def require_tools(target: str) -> None:
    """Make sure that the program which submits to ``target`` is installed.

    Raises:
        SpoofsweepError: it is not.
    """
    name = {"kuberay": "kubectl", "slurm": "sbatch"}.get(target, "ray")
    if shutil.which(_program(name)) is None:
        raise SpoofsweepError(f"a launch on {target} needs the program {name}", "it is not installed", _INSTALL[name])
    if name == "ray" and not has_ray_default():
        raise SpoofsweepError("`ray up` and `ray job` need the packages of ray[default]", "ray alone", _INSTALL[name])


def has_ray_default() -> bool:
    """Whether the packages are installed that Ray's launcher and jobs need beyond Ray itself."""
    # The one that they import first; `find_spec` fails once it is imported, as it puts itself in its module's place.
    return next(iter(distributions(name="colorful")), None) is not None


def run(steps: Sequence[Sequence[str]], console: Console) -> int:
    """Run commands in order with their output on the terminal; the exit status of the first that fails, else 0."""
    for step, line in zip(steps, shown_as_shell(steps), strict=True):
        console.print(f"$ {line}", style="bold", markup=False, highlight=False, soft_wrap=True)
        status = subprocess.run(step, env={**os.environ, "RAY_AUTH_MODE": "token"}, check=False).returncode
        if status:
            return status
    return 0


def shown_as_shell(steps: Sequence[Sequence[str]]) -> list[str]:
    """Commands as they can be copied into a shell."""
    return [shlex.join(step) for step in steps]


def forwarded(names: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of ``cluster.launch.forward`` with their values.

    Raises:
        SpoofsweepError: one is not set.
    """
    missing = [name for name in names if name not in environment]
    if missing:
        remedy = "export them, or take them out of cluster.launch.forward"
        raise SpoofsweepError("variables to be forwarded must be set", ", ".join(missing), remedy)
    return {name: environment[name] for name in names}


def _ray_up(target: str, plan: LaunchPlan, code: Path) -> list[list[str]]:
    ray, config = _program("ray"), str(plan.folder / CLUSTER_FILES[target])
    remote = f"~/launch-{plan.name}"
    path = f"PATH={shlex.quote(plan.launch.venv)}/bin:$PATH " if plan.launch.venv and not plan.launch.image else ""
    job = shlex.join(_job(".", f"../launch-{plan.name}.json"))
    submit = f"cd {remote} && {path}RAY_AUTH_MODE=token ray job submit --address {_JOB_SERVER} {job}"
    return [
        [ray, "up", "--yes", config],
        [ray, "rsync-up", config, f"{code}/", f"{remote}/"],
        [ray, "rsync-up", config, str(plan.folder / RUNTIME_ENVIRONMENT), f"{remote}.json"],
        [ray, "exec", config, submit],
    ]


def _kubectl(plan: LaunchPlan) -> list[list[str]]:
    kubectl = ["kubectl", "--namespace", plan.launch.kuberay.namespace]
    apply = [*kubectl, "apply", "--filename", str(plan.folder / CLUSTER_FILES["kuberay"])]
    if plan.launch.kuberay.keeps_cluster:
        return [apply]
    # The operator makes a Kubernetes job of the same name that submits the sweep and prints what it says.
    job = f"job/{plan.name}"
    waiting = [*kubectl, "wait", "--for=create", "--timeout=30m", job]
    logs = [*kubectl, "logs", "--follow", "--pod-running-timeout=30m", job]
    # What the sweep's exit status was; the operator takes a moment to write it down.
    success = "--for=jsonpath={.status.jobStatus}=SUCCEEDED"
    return [apply, waiting, logs, [*kubectl, "wait", success, "--timeout=1m", f"rayjob/{plan.name}"]]


def _job(code: str, environment: str) -> list[str]:
    return ["--working-dir", code, "--runtime-env", environment, "--", "bash", SWEEP_SCRIPT]


def _program(name: str) -> str:
    """A program that came with this Python, else what the PATH has."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else name
