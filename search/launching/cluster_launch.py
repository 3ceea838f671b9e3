"""Launches a study on a cluster: what is rendered there, checked before, and submitted."""

import json
import os
import time
from pathlib import Path

from rich.console import Console

from cluster.errors import SpoofsweepError
from cluster.launch_files import (
    CLUSTER_FILES,
    RAY_UP,
    SWEEP_SCRIPT,
    TARGETS,
    LaunchPlan,
    cluster_file,
    cluster_name,
    sweep_script,
)
from cluster.ray_token import ensure_token
from cluster.settings import nearest
from cluster.slurm import submit_and_follow
from cluster.submission import RUNTIME_ENVIRONMENT, commands, forwarded, require_tools, run, shown_as_shell
from data_prep.display import print_warnings
from search.launching.code_bundle import stage
from search.launching.launch_checks import check_launchable
from search.study.shipped import SHIPPED
from search.study.study import Study

STUDY_FILE = "study.toml"


def launch_on(study: Study, target: str, console: Console, render_only: bool = False) -> int:
    """Launch a study and show its progress; the exit status of what was submitted.

    Args:
        study: the study, with ``[cluster.launch]``.
        target: one of `cluster.launch_files.TARGETS`, or the address of a running cluster (``http://host:8265``).
        console: where files or progress are shown.
        render_only: print the files and the commands, and submit nothing.

    Raises:
        SpoofsweepError: the target is unknown, a setting of it is missing, a path of the study means nothing on other
            machines, or the program that submits is not installed.
    """
    if target not in TARGETS and ":" not in target:
        hint = nearest(target, TARGETS, "targets")
        raise SpoofsweepError("a study is launched on a kind of cluster, or on host:port", target, hint)
    plan = make_plan(study, target)
    script = sweep_script(target, plan)
    notes = check_launchable(study, target)
    if render_only:
        _print(target, plan, script, console)
        return 0
    print_warnings(console, notes)
    require_tools(target)
    return _submit(study, target, plan, script, console)


def make_plan(study: Study, target: str) -> LaunchPlan:
    """What a cluster has to know of a study."""
    launch = study.config.cluster.launch
    # Of a RayJob a name is taken once.
    stamp = time.strftime("-%m%d-%H%M%S", time.gmtime()) if target == "kuberay" else ""
    # A job of SLURM runs where its files lie, so these go where every node sees them.
    output = Path(launch.shared_folder or "/") / study.config.study.output if target == "slurm" else study.output
    return LaunchPlan(
        name=cluster_name(study.name) + stamp,
        study=study.reference if study.path.parent == SHIPPED else f'"$here/{STUDY_FILE}"',
        study_text=study.path.read_text(encoding="utf-8"),
        folder=output / "studies" / study.name / "launch" / (target if target in TARGETS else "address"),
        launch=launch,
    )


def _submit(study: Study, target: str, plan: LaunchPlan, script: str, console: Console) -> int:
    variables = {**plan.launch.environment, **forwarded(_names_forwarded(study), os.environ)}
    code = stage({SWEEP_SCRIPT: script, STUDY_FILE: plan.study_text}, plan.folder)
    if target in TARGETS:
        (plan.folder / CLUSTER_FILES[target]).write_text(cluster_file(target, plan, code))
    if target in RAY_UP:
        ensure_token()
    if target not in ("slurm", "kuberay"):
        _write_private(plan.folder / RUNTIME_ENVIRONMENT, json.dumps({"env_vars": variables}))
    steps = commands(target, plan, code)
    return submit_and_follow(steps[0], plan.folder, console) if target == "slurm" else run(steps, console)


def _names_forwarded(study: Study) -> list[str]:
    """``cluster.launch.forward``, and the tracking store where the study leaves it to the environment."""
    names = list(study.config.cluster.launch.forward)
    if study.config.mlflow.tracking_uri is None and "MLFLOW_TRACKING_URI" in os.environ:
        names.append("MLFLOW_TRACKING_URI")
    return names


def _write_private(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)


def _print(target: str, plan: LaunchPlan, script: str, console: Console) -> None:
    code = plan.folder / "code"
    files = {code / SWEEP_SCRIPT: script}
    if target in TARGETS:
        files[plan.folder / CLUSTER_FILES[target]] = cluster_file(target, plan, code)
    for path, content in files.items():
        console.print(f"# --- {path}\n{content}", markup=False, highlight=False, soft_wrap=True)
    console.print(
        "# --- submitted by",
        *(f"#     {line}" for line in shown_as_shell(commands(target, plan, code))),
        sep="\n",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
