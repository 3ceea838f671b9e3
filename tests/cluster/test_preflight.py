"""What is made of what nodes find; and a node that really looks."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.preflight import (
    Finding,
    clock_findings,
    examine_nodes,
    folder_findings,
    gpu_findings,
    room_findings,
    server_findings,
    silent_findings,
    version_findings,
)
from cluster.probes import Seen, Wanted, look, names_of, versions

WANTED = Wanted(folders=("/shared",), marker="/shared/.m", servers=(("MLflow server", "mlflow", 5000),))
GOOD = Seen({"python": "3.11.7"}, {}, True, {"/shared": 100.0}, {})


def failed(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.where, one.found) for one in findings if one.verdict != "ok"]


def test_a_healthy_cluster_has_one_line_a_check() -> None:
    seen = {"a": GOOD, "b": GOOD}
    findings = [
        *version_findings({"a": GOOD.versions}, {"python": "3.11.7"}),
        *folder_findings(seen, WANTED),
        *room_findings(seen),
        *server_findings(seen, WANTED),
        *clock_findings({"a": 0.0, "b": 0.4}),
        *gpu_findings({"a": 4}),
    ]
    assert failed(findings) == []
    assert [one.what for one in findings] == ["versions", "folders", "disk", "MLflow server", "clock", "GPUs"]
    assert findings[1].where == "a, b"


def test_every_fault_names_its_node_and_a_remedy() -> None:
    sick = {
        "versions": version_findings({"a": {"torch": "2.13.0"}, "b": {"torch": "2.14.0"}}, {"torch": "2.14.0"}),
        "read-only": folder_findings({"a": replace(GOOD, unwritable={"/shared": "read-only"}), "b": GOOD}, WANTED),
        "other folder": folder_findings({"a": replace(GOOD, sees_marker=False), "b": GOOD}, WANTED),
        "full": room_findings({"a": replace(GOOD, free_gb={"/tmp": 0.5}), "b": GOOD}),
        "cut off": server_findings({"a": replace(GOOD, unreached={"MLflow server": "mlflow:5000"}), "b": GOOD}, WANTED),
        "clock": clock_findings({"a": 90.0, "b": 0.0}),
        "GPUs": gpu_findings({"a": 0, "b": 4}),
        "silent": silent_findings({"a": ModuleNotFoundError("No module named 'cluster'")}),
    }
    for name, findings in sick.items():
        faults = [one for one in findings if one.verdict != "ok"]
        assert [one.where for one in faults] == ["a"], name
        assert all(one.remedy for one in faults)
    assert sick["versions"][0].found == "torch 2.13.0 instead of 2.14.0"
    assert sick["full"][0].verdict == "warning"
    assert [one.what for one in sick["cut off"]] == ["MLflow server"]


def test_busy_gpus_are_no_failure() -> None:
    (finding,) = gpu_findings({"a": TimeoutError("no answer")})
    assert finding.verdict == "warning"


def test_a_node_looks(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        servers = (("here", "127.0.0.1", port), ("gone", "127.0.0.1", 1))
        folders = (str(tmp_path / "new"), str(tmp_path / "file" / "below"))
        seen = look(Wanted(folders, str(tmp_path / "file"), None, servers))
    assert seen.versions == versions()
    assert seen.unwritable.keys() == {folders[1]}
    assert seen.sees_marker
    assert seen.unreached.keys() == {"gone"}
    assert seen.free_gb.keys() == {folders[0], "/tmp"}
    assert os.listdir(tmp_path / "new") == []
    assert not look(Wanted(marker=str(tmp_path / "absent"))).sees_marker


def test_nodes_of_one_host_are_told_apart() -> None:
    assert names_of([("abcdefgh", "x"), ("ijklmnop", "x"), ("q", "y")]) == {
        "abcdefgh": "x (abcdef)",
        "ijklmnop": "x (ijklmn)",
        "q": "y",
    }


def test_the_session_s_own_ray_is_healthy(ray_session: None, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    findings = examine_nodes(Wanted((str(tmp_path),), str(marker)))
    assert [one for one in findings if one.verdict == "failed"] == []
    assert {one.what for one in findings} == {"versions", "folders", "disk", "clock"}
    marker.unlink()
    (fault,) = [one for one in examine_nodes(Wanted((str(tmp_path),), str(marker))) if one.verdict == "failed"]
    assert "is not seen there: another folder of that name" in fault.found


@pytest.mark.cluster
def test_every_node_of_a_cluster_is_asked(tmp_path: Path) -> None:
    """A process starts a cluster of two nodes, of which one is then lost."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("two_nodes.py")), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.splitlines() == ["2 joined, 1 besides the head", "2 answered", "1 answered of 1 after a loss"], (
        done.stderr
    )
