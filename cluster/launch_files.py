"""Renders the files by which a cluster is started, from the templates beside this file."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cluster.errors import SpoofsweepError
from cluster.launch_config import LaunchConfig

TEMPLATES = Path(__file__).parent / "templates"
RAY_UP = ("aws", "gcp", "onprem")
"""Targets that `ray up` starts."""
TARGETS = (*RAY_UP, "kuberay", "slurm")
"""What a study can be launched on; anything else is the address of a cluster that runs."""
CLUSTER_FILES = {**dict.fromkeys((*RAY_UP, "kuberay"), "cluster.yaml"), "slurm": "job.sh"}
"""Name of the file that starts the cluster, by target."""
SWEEP_SCRIPT = "sweep.sh"
TOKEN_FILE = Path("~/.ray/auth_token")
"""Where Ray's own tools look for the token."""


@dataclass(frozen=True)
class LaunchPlan:
    """What is launched, as far as a cluster has to know."""

    name: str
    """Of the cluster or job; see `cluster_name`."""
    study: str
    """The study as its commands name it, a word of shell in which ``$here`` is the folder of the sweep script."""
    study_text: str
    """Content of the study file."""
    folder: Path
    """Where the files of the launch lie; on SLURM in the shared folder."""
    launch: LaunchConfig


def cluster_name(study_name: str) -> str:
    """A name for a cluster that clouds and Kubernetes take: lower case, digits and hyphens, at most 30 characters."""
    return ("sweep-" + re.sub("[^a-z0-9]+", "-", study_name.lower()))[:30].strip("-")


def sweep_script(target: str, plan: LaunchPlan) -> str:
    """What the head of the cluster runs.

    Raises:
        SpoofsweepError: a setting that the target needs is missing.
    """
    _require(target, plan.launch)
    return _render(f"{SWEEP_SCRIPT}.j2", launch=plan.launch, study=plan.study, num_nodes=_num_nodes(target, plan))


def cluster_file(target: str, plan: LaunchPlan, code: Path) -> str:
    """The file that starts a cluster on one of `TARGETS`; ``code`` is the folder of the sweep script.

    Raises:
        SpoofsweepError: a setting that the target needs is missing.
    """
    return _render(
        f"{target}.{'sh' if target == 'slurm' else 'yaml'}.j2",
        **{name: getattr(plan.launch, name) for name in TARGETS},
        target=target,
        launch=plan.launch,
        name=plan.name,
        code=str(code),
        folder=str(plan.folder),
        study_text=plan.study_text,
        sweep_script=sweep_script(target, plan),
        token_file=str(TOKEN_FILE),
        ray_version=version("ray"),
    )


def _num_nodes(target: str, plan: LaunchPlan) -> int:
    """Nodes that are there when the sweep begins, the head included."""
    if target == "slurm":
        return plan.launch.num_workers
    if target == "onprem":
        return 1 + len(plan.launch.onprem.workers)
    return 1 + plan.launch.min_workers if target in TARGETS else 1


def _require(target: str, launch: LaunchConfig) -> None:
    needed: dict[str, Any] = {"shared_folder": launch.shared_folder}
    if target in ("aws", "gcp", "kuberay"):
        needed["image"] = launch.image
    if target in ("aws", "gcp"):
        needed["nfs"] = launch.nfs
    needed |= {
        "gcp": {"gcp.project": launch.gcp.project},
        "onprem": {"onprem.head": launch.onprem.head},
        "kuberay": {"kuberay.volume_claim": launch.kuberay.volume_claim},
    }.get(target, {})
    missing = [f"cluster.launch.{name}" for name, value in needed.items() if value is None]
    if missing:
        raise SpoofsweepError(
            f"a launch on {target} needs {', '.join(missing)}",
            "none",
            "set it in the study; cluster/launch_config.py says what it is",
        )


def _render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the files are YAML and shell; each value is quoted where it stands
    )
    environment.filters |= {"yaml": _yaml, "sh": shlex.quote}
    return environment.get_template(template).render(**values)


def _yaml(value: Any) -> str:
    # JSON is YAML, quoted the same everywhere.
    return json.dumps(value if isinstance(value, str | bool | Mapping) or value is None else list(value))
