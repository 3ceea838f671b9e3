"""Looks whether a study can run on its cluster, before it does: nodes, stores, shards, and its largest trial."""

import uuid
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import ray
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cluster.errors import SpoofsweepError
from cluster.node_tasks import on_every_node, wait_for_nodes
from cluster.preflight import Finding, examine_nodes
from cluster.probes import Wanted
from cluster.ray_session import ray_session
from data_prep.remote_files import to_path
from data_prep.shard_cache import cache_folder
from data_prep.shards import ShardSet
from deploy.tracking_store import check_reachable
from search.planning.preview import Preview, preview
from search.storage.storage import check_writable
from search.study.space import SearchSpace
from search.study.study import Study
from search.sweep.gpu_sharing import require_room
from search.sweep.largest_trials import largest_trials
from search.sweep.ray_errors import in_one_line
from trainable.checkpoints.signature import code_version
from trainable.config import TrialConfig
from trainable.data.hold_out import Folds
from trainable.hardware.gpu_share import GpuShare
from trainable.sizing.memory_estimate import MemoryEstimate
from trainable.training.folds import FoldedTraining, begin

T = TypeVar("T")
JOINING_S = 900.0
"""How long nodes are waited for that are still on their way."""
_ANSWER_S, _TRIAL_S = 120.0, 300.0
_PORTS = {"postgresql": 5432, "mysql": 3306, "http": 80, "https": 443}


def examine(study: Study, num_nodes: int = 1, joining_s: float = JOINING_S) -> list[Finding]:
    """All findings about a study and the cluster it is to run on.

    Args:
        study: the study; ``cluster.address`` says which cluster.
        num_nodes: nodes that are expected, the head included.
        joining_s: how long they are waited for.

    Raises:
        SpoofsweepError: the cluster cannot be reached.
    """
    with ray_session(study.config.cluster):
        alive = wait_for_nodes(num_nodes, joining_s)
        findings = [_joined(alive, num_nodes, joining_s), *_stores(study), *_nodes(study), _code()]
        found = _guarded("study", "correct the study, or the corpus", lambda: preview(study))
        if isinstance(found, Finding):
            return [*findings, found]
        corpus = Finding("study", "ok", "driver", f"{len(found.report.usable):,} utterances, space and ledger in order")
        return [*findings, corpus, *_shards(found), *_trial(found)]


def print_findings(findings: list[Finding], console: Console) -> bool:
    """Show findings, those that are wrong in full below; whether none failed."""
    table = Table("check", "", "where", "found")
    colours = {"ok": "green", "warning": "yellow", "failed": "bold red"}
    for one in findings:
        table.add_row(one.what, Text(one.verdict, colours[one.verdict]), Text(one.where), Text(one.found))
    console.print(table)
    for one in findings:
        if one.remedy:
            text = Text.assemble((f"{one.what}: ", colours[one.verdict]), f"{one.where}: {one.found}; {one.remedy}")
            console.print(text, soft_wrap=True)
    return all(one.verdict != "failed" for one in findings)


def _joined(alive: int, expected: int, joining_s: float) -> Finding:
    versions = f"Ray {ray.__version__}, torch {torch.__version__}"
    if alive >= expected:
        return Finding("nodes", "ok", "cluster", f"{alive} joined; {versions}")
    remedy = "the sweep begins without the others; see `ray status` for what they wait for"
    return Finding("nodes", "warning", "cluster", f"{alive} of {expected} joined within {joining_s:g} s", remedy)


def _stores(study: Study) -> list[Finding]:
    """The ledger and MLflow, opened here as the sweep opens them."""
    return [
        _checked("ledger", "study.storage", lambda: check_writable(study.storage_url)),
        _checked("MLflow", "mlflow.tracking_uri", lambda: check_reachable(study.tracking_uri)),
    ]


def _checked(what: str, setting: str, act: Callable[[], None]) -> Finding:
    found = _guarded(what, f"check {setting}", act)
    return found if isinstance(found, Finding) else Finding(what, "ok", "driver", "opened")


def _guarded(what: str, remedy: str, act: Callable[[], T]) -> T | Finding:
    """What ``act`` returns, or its complaint as a finding."""
    try:
        return act()
    except SpoofsweepError as error:
        found = f"{error.rule}; got {error.value}" if error.value is not None else error.rule
        return Finding(what, "failed", "driver", found, error.remedy or remedy)


def _nodes(study: Study) -> list[Finding]:
    """What the nodes find, the study's output folder and its servers among it."""
    study.folder.mkdir(parents=True, exist_ok=True)
    marker = study.folder / f".marker-{uuid.uuid4().hex}"
    marker.touch()
    try:
        servers = (_server("ledger server", study.storage_url), _server("MLflow server", study.tracking_uri))
        known = tuple(server for server in servers if server is not None)
        return examine_nodes(Wanted((str(study.folder),), str(marker), str(cache_folder()), known))
    finally:
        marker.unlink()


def _code() -> Finding:
    """Whether the nodes have the driver's code of trials, which a version number does not tell."""
    answers = on_every_node(own_code, timeout_s=_ANSWER_S)
    others = [name for name, answer in answers.items() if answer != code_version()]
    if others:
        found = f"not {code_version()}: {', '.join(str(answers[name])[:80] for name in others)}"
        remedy = "start it by `spoofsweep launch`, which sends the code along, or install the same everywhere"
        return Finding("code", "failed", ", ".join(others), found, remedy)
    return Finding("code", "ok", ", ".join(answers), code_version())


def _server(name: str, uri: str) -> tuple[str, str, int] | None:
    """Name, host and port of a store that is a server."""
    parts = urlsplit(uri)
    port = parts.port or _PORTS.get(parts.scheme.split("+")[0], 443)
    return (name, parts.hostname, port) if parts.hostname else None


def _shards(found: Preview) -> list[Finding]:
    """Whether every node has the study's shard set before it, the right one and whole."""
    folder = found.study.shards_folder / found.shard_set_id
    if not found.has_shards:
        return [Finding("shards", "ok", "driver", f"{found.shard_set_id} is made when the sweep begins")]
    answers = on_every_node(open_shards, str(folder), found.shard_set_id, timeout_s=_ANSWER_S)
    remedy = f"let every node see {folder}, or keep shards in an object store: shards.store"
    failed = [
        Finding("shards", "failed", name, in_one_line(answer), remedy)
        for name, answer in answers.items()
        if isinstance(answer, Exception)
    ]
    return failed or [Finding("shards", "ok", ", ".join(answers), f"{found.shard_set_id}, whole")]


def _trial(found: Preview) -> list[Finding]:
    """Whether the cluster can place a trial, and run the largest."""
    room = _room(found.study)
    return [room] if room.verdict == "failed" else [room, _largest_trial(found)]


def _room(study: Study) -> Finding:
    """Whether the cluster can place a trial."""
    cluster = study.config.cluster
    found = _guarded("resources", f"change {cluster.gpu_setting}", lambda: require_room(cluster))
    if found is not None:
        return found
    asked = f"{cluster.cpus_per_trial} CPU cores" + (f", {cluster.gpu_setting}" if cluster.uses_gpu else "")
    return Finding("resources", "ok", "cluster", f"a trial takes {asked}")


def _largest_trial(found: Preview) -> Finding:
    """Whether the largest batch of the largest configuration passes, with the resources of a trial."""
    study, config = found.study, found.study.config
    if not found.has_shards:
        return Finding("largest trial", "ok", "driver", "not tried before there are shards; trials try it themselves")
    folder = study.shards_folder / found.shard_set_id
    shards = ShardSet.open(folder, found.shard_set_id)
    size = MemoryEstimate(shards.manifest.features).of
    (trial,) = largest_trials(SearchSpace(config.space), config.trial, size, 1)
    cluster = config.cluster.packed(1) if config.cluster.trials_per_gpu == "auto" else config.cluster
    share = GpuShare(cluster.device, cluster.gpu_share)
    what = f"{trial.model.kind}, {trial.batch.size} utterances of {trial.batch.crop_s:g} s"
    # A process of its own, since the share stays with it.
    task = ray.remote(num_cpus=cluster.cpus_per_trial, num_gpus=cluster.gpu_share, max_retries=0, max_calls=1)
    place = (str(folder), found.shard_set_id, study.folds(shards.index), share, cluster.cpus_per_trial)
    pending = task(try_largest_batch).remote(trial, *place)
    try:
        ray.get(pending, timeout=_TRIAL_S)
    except ray.exceptions.GetTimeoutError:
        ray.cancel(pending, force=True)
        remedy = "see `ray status`: nodes may be on their way, or other work holds what a trial needs"
        return Finding("largest trial", "warning", "cluster", f"{what}: not done within {_TRIAL_S:g} s", remedy)
    except ray.exceptions.RayError as error:
        remedy = "bound batch.size, batch.crop_s or the model's sizes in [space], or give a trial more"
        return Finding("largest trial", "failed", "cluster", f"{what}: {in_one_line(error)}", remedy)
    return Finding("largest trial", "ok", "cluster", f"{what}: its largest batch passes")


def own_code() -> str:
    """What a node computes with; the body of a Ray task."""
    return code_version()


def open_shards(folder: str, shard_set_id: str) -> None:
    """Open a shard set and check identity and sizes; the body of a Ray task."""
    ShardSet.open(to_path(folder), expected_id=shard_set_id)


def try_largest_batch(
    trial: TrialConfig, shards: str, shard_set_id: str, folds: Folds, share: GpuShare, num_threads: int
) -> None:
    """Pass a trial's largest batch without a trace; the body of a Ray task.

    Raises:
        SpoofsweepError: it does not fit the share of a GPU.
    """
    torch.set_num_threads(num_threads)
    opened = ShardSet.open(to_path(shards), expected_id=shard_set_id)
    share.enforce()
    with share.explained():
        training = begin(trial, opened, 0, share.device, folds)
        for model in training.trainings if isinstance(training, FoldedTraining) else [training]:
            model.rehearse()
