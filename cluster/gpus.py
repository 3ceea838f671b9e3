"""The nodes that trials run on, their GPUs, and whether NVIDIA's Multi-Process Service (MPS) runs there.

Without MPS the kernels of processes that share a GPU take turns; with it they run side by side. A CUDA program uses
the service by itself where it finds the daemon's pipes, in the folder that ``CUDA_MPS_PIPE_DIRECTORY`` names. Source:
NVIDIA, Multi-Process Service, chapters on environment variables and on the control daemon.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MPS_START = "nvidia-cuda-mps-control -d"
"""The command that starts the service, as the user whose trials are to use it."""
_CONTROL_PROGRAM = "nvidia-cuda-mps-control"
_DEFAULT_PIPES = "/tmp/nvidia-mps"
_ANSWER_TIMEOUT_S = 5.0
_ACCELERATOR = "accelerator_type:"

MpsState = Literal["running", "not running", "absent"]


@dataclass(frozen=True)
class Mps:
    """What a node offers of MPS."""

    state: MpsState
    """``absent``: neither a daemon nor the program that starts one."""
    thread_percentage: float = 100.0
    """Share of the GPU's multiprocessors that each process may use (``CUDA_MPS_ACTIVE_THREAD_PERCENTAGE``)."""


@dataclass(frozen=True)
class Node:
    """A node of the cluster."""

    name: str
    num_cpus: float
    num_gpus: float
    memory_gb: float
    gpu_kind: str | None
    """As Ray names it, for instance ``H100``; none without a GPU."""
    mps: Mps


def find_mps(environment: Mapping[str, str] = os.environ) -> Mps:
    """Whether MPS runs here, for processes with this environment."""
    has_program = shutil.which(_CONTROL_PROGRAM, path=environment.get("PATH")) is not None
    pipe = Path(environment.get("CUDA_MPS_PIPE_DIRECTORY") or _DEFAULT_PIPES) / "control"
    # A daemon that was killed leaves its pipe behind; in a container the pipe may be there without the program.
    is_running = pipe.exists() and (not has_program or _answers(environment))
    state: MpsState = "running" if is_running else "not running" if has_program else "absent"
    percentage = environment.get("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "")
    return Mps(state, float(percentage) if percentage.replace(".", "", 1).isdigit() else 100.0)


def nodes() -> list[Node]:
    """The living nodes of the Ray cluster that this process is connected to; each with a GPU is asked for its MPS."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0)(find_mps)
    alive = [node for node in ray.nodes() if node["Alive"]]
    pending = {}
    for node in alive:
        if node["Resources"].get("GPU"):
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            pending[node["NodeID"]] = ask.options(scheduling_strategy=there).remote()
    found = dict(zip(pending, ray.get(list(pending.values())), strict=True))
    return [_node(node, found.get(node["NodeID"], Mps("absent"))) for node in alive]


def _node(node: Mapping, mps: Mps) -> Node:
    has = node["Resources"]
    kinds = [name.removeprefix(_ACCELERATOR) for name in has if name.startswith(_ACCELERATOR)]
    gpu_kind = kinds[0] if kinds and has.get("GPU") else None
    memory_gb = has.get("memory", 0) / 1e9
    return Node(node["NodeManagerHostname"], has.get("CPU", 0), has.get("GPU", 0), memory_gb, gpu_kind, mps)


def _answers(environment: Mapping[str, str]) -> bool:
    """Whether the control daemon answers its program."""
    try:
        asked = subprocess.run(
            [_CONTROL_PROGRAM],
            input="get_server_list\n",
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=_ANSWER_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0
