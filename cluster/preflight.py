"""Judges what the nodes found: what is wrong, where, and how to mend it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cluster.node_tasks import on_every_node, seconds_apart
from cluster.probes import Seen, Wanted, look, num_torch_gpus, versions

MOST_SECONDS_APART = 2.0
"""Clocks further apart make times in MLflow and in logs misleading, and signed requests to stores fail."""
LEAST_FREE_GB = 5.0
_ANSWER_S = 120.0
_GPUS_S = 60.0

Verdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    where: str
    """Nodes by name."""
    found: str
    remedy: str = ""


def examine_nodes(wanted: Wanted) -> list[Finding]:
    """Everything about the nodes of the cluster that this process is connected to."""
    answers = on_every_node(look, wanted, timeout_s=_ANSWER_S)
    seen = {name: answer for name, answer in answers.items() if isinstance(answer, Seen)}
    silent = {name: answer for name, answer in answers.items() if isinstance(answer, Exception)}
    return [
        *silent_findings(silent),
        *version_findings({name: one.versions for name, one in seen.items()}, versions()),
        *folder_findings(seen, wanted),
        *room_findings(seen),
        *server_findings(seen, wanted),
        *clock_findings(seconds_apart(_ANSWER_S)),
        *gpu_findings(on_every_node(num_torch_gpus, timeout_s=_GPUS_S, only_gpus=True)),
    ]


def silent_findings(silent: Mapping[str, Exception]) -> list[Finding]:
    """Nodes that could not even be asked."""
    remedy = "see that spoofsweep is installed in the Python there, and the node's log in /tmp/ray/session_latest/logs"
    return [Finding("answer", "failed", name, _reason(error), remedy) for name, error in silent.items()]


def version_findings(found: Mapping[str, Mapping[str, str]], own: Mapping[str, str]) -> list[Finding]:
    """Nodes whose Python or packages differ from the driver's."""
    findings = []
    for name, there in found.items():
        others = [
            f"{package} {there[package]} instead of {own[package]}" for package in own if there[package] != own[package]
        ]
        if others:
            remedy = "install the same there (constraints.txt), or use one image for all nodes"
            findings.append(Finding("versions", "failed", name, ", ".join(others), remedy))
    summary = ", ".join(f"{package} {number}" for package, number in own.items())
    return findings or [Finding("versions", "ok", _all(found), summary)]


def folder_findings(seen: Mapping[str, Seen], wanted: Wanted) -> list[Finding]:
    """Folders that a node cannot write to, or that are not the driver's."""
    findings = [
        Finding("folders", "failed", name, f"cannot write to {folder}: {reason}", "mount it there, or mend its owner")
        for name, one in seen.items()
        for folder, reason in one.unwritable.items()
    ]
    apart = [name for name, one in seen.items() if not one.sees_marker and not one.unwritable]
    if apart:
        remedy = (
            "mount one file system on all nodes, and name a folder in it: study.output, cluster.launch.shared_folder"
        )
        found = f"what the driver writes to {', '.join(wanted.folders)} is not seen there: another folder of that name"
        findings.append(Finding("folders", "failed", ", ".join(apart), found, remedy))
    return findings or [Finding("folders", "ok", _all(seen), f"writable and shared: {', '.join(wanted.folders)}")]


def room_findings(seen: Mapping[str, Seen]) -> list[Finding]:
    """Disks that are nearly full."""
    findings = [
        Finding("disk", "warning", name, f"{free:.1f} GB free for {folder}", "free some space, or set SPOOFSWEEP_CACHE")
        for name, one in seen.items()
        for folder, free in one.free_gb.items()
        if free < LEAST_FREE_GB
    ]
    least = min((free for one in seen.values() for free in one.free_gb.values()), default=0.0)
    return findings or [Finding("disk", "ok", _all(seen), f"at least {least:.0f} GB free")]


def server_findings(seen: Mapping[str, Seen], wanted: Wanted) -> list[Finding]:
    """Servers that a node does not reach."""
    remedy = "let the node through to it: address, firewall, security group"
    findings = [
        Finding(server, "failed", name, f"no answer from {reason}", remedy)
        for name, one in seen.items()
        for server, reason in one.unreached.items()
    ]
    failed = {finding.what for finding in findings}
    reached = [Finding(name, "ok", _all(seen), f"{host}:{port} answers") for name, host, port in wanted.servers]
    return findings + [finding for finding in reached if finding.what not in failed]


def clock_findings(apart: Mapping[str, float]) -> list[Finding]:
    """Clocks that are off."""
    findings = [
        Finding("clock", "failed", name, f"at least {seconds:.1f} s off the driver's", "run an NTP service there")
        for name, seconds in apart.items()
        if seconds > MOST_SECONDS_APART
    ]
    return findings or [Finding("clock", "ok", _all(apart), f"less than {MOST_SECONDS_APART:g} s apart")]


def gpu_findings(found: Mapping[str, int | Exception]) -> list[Finding]:
    """Nodes with GPUs that PyTorch cannot use."""
    findings = []
    for name, number in found.items():
        if isinstance(number, TimeoutError):
            findings.append(Finding("GPUs", "warning", name, "busy, not looked at", "ask again when trials are over"))
        elif isinstance(number, Exception) or number == 0:
            reason = _reason(number) if isinstance(number, Exception) else "Ray has GPUs there, torch sees none"
            remedy = "see `nvidia-smi` and torch.cuda.is_available() there: driver too old, or a torch without CUDA"
            findings.append(Finding("GPUs", "failed", name, reason, remedy))
        else:
            findings.append(Finding("GPUs", "ok", name, f"torch computes on {number}"))
    return findings


def _all(names: Mapping[str, object]) -> str:
    return ", ".join(names)


def _reason(error: Exception) -> str:
    cause = getattr(error, "cause", None) or error
    return f"{type(cause).__name__}: {' '.join(str(cause).split())}"[:300]
