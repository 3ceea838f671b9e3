"""NVIDIA's own programs cannot run here: one that answers as its manual says stands for the control program."""

from pathlib import Path

import pytest

from cluster.gpus import Mps, find_mps, nodes


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a node with neither daemon nor control program."""
    return {"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path / "pipes"), "PATH": str(tmp_path / "bin")}


def install(environment: dict[str, str], status: int) -> None:
    program = Path(environment["PATH"]) / "nvidia-cuda-mps-control"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nread command\n[ "$command" = get_server_list ] && exit {status}\nexit 9\n')
    program.chmod(0o755)


def open_pipes(environment: dict[str, str]) -> None:
    pipes = Path(environment["CUDA_MPS_PIPE_DIRECTORY"])
    pipes.mkdir()
    (pipes / "control").touch()


def test_a_node_without_it(environment: dict[str, str]) -> None:
    assert find_mps(environment) == Mps("absent")


def test_a_daemon_that_was_not_started(environment: dict[str, str]) -> None:
    install(environment, status=1)
    assert find_mps(environment).state == "not running"


def test_a_running_daemon(environment: dict[str, str]) -> None:
    install(environment, status=0)
    open_pipes(environment)
    assert find_mps(environment).state == "running"


def test_pipes_of_a_dead_daemon(environment: dict[str, str]) -> None:
    install(environment, status=1)
    open_pipes(environment)
    assert find_mps(environment).state == "not running"


def test_pipes_handed_into_a_container(environment: dict[str, str]) -> None:
    open_pipes(environment)
    environment["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = "12.5"
    assert find_mps(environment) == Mps("running", 12.5)


def test_nodes_of_a_cluster(ray_session: None) -> None:
    (node,) = nodes()
    assert (node.num_cpus, node.num_gpus, node.gpu_kind, node.mps.state) == (2, 0, None, "absent")
    assert node.memory_gb > 0
