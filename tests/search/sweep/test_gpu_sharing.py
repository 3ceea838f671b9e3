import io
from pathlib import Path

import pytest
from rich.console import Console
from toys import toy_study

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from cluster.gpus import Mps, Node
from data_prep.shards import ShardSet
from search.sweep.gpu_sharing import Packing, plan, require_room, settle, sharing_notes
from search.sweep.tune_run import num_places
from trainable.sizing.memory_measure import GpuMemory

GB = 10**9


def h200(*trial_gb: float) -> GpuMemory:
    return GpuMemory("NVIDIA H200", 150 * GB, 148 * GB, tuple(int(each * GB) for each in trial_gb))


def node(name: str, num_gpus: float, state: str = "running", percentage: float = 100.0) -> Node:
    return Node(name, 16, num_gpus, 128.0, "H200" if num_gpus else None, Mps(state, percentage))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trial_gb", "limits", "trials", "limit"),
    [
        ((3.1, 2.0), {"CPU cores": 8, "what a GPU can overlap": 16}, 8, "CPU cores"),
        ((30.0, 40.0, 20.0), {"CPU cores": 8}, 3, "GPU memory"),  # 40 GB and its margin: 46.5 GB
        ((0.5,), {"CPU cores": 64, "what a GPU can overlap": 16}, 16, "what a GPU can overlap"),
        ((3.1,), {"CPU cores": 0}, 1, "CPU cores"),  # a node with more GPUs than cores still runs trials
    ],
)
def test_trials_a_gpu_follow_from_what_is_scarcest(
    trial_gb: tuple[float, ...], limits: dict[str, int], trials: int, limit: str
) -> None:
    packing = plan(h200(*trial_gb), limits)
    assert (packing.trials_per_gpu, packing.limit) == (trials, limit)
    assert packing.trial_bytes == int(max(trial_gb) * GB)


def test_the_plan_in_a_few_words() -> None:
    packing = Packing(8, int(3.1 * GB), "NVIDIA H200", 140 * GB, "CPU cores")
    assert str(packing) == "3.1 GB a trial measured on NVIDIA H200 140 GB: 8 trials a GPU (limited by CPU cores)"


def test_a_trial_that_fills_the_gpu_is_refused() -> None:
    with pytest.raises(
        SpoofsweepError, match=r"room to spare; got 140.0 GB, of 148.0 GB free on NVIDIA H200.*batch.size"
    ):
        plan(h200(140.0), {"CPU cores": 8})


def test_auto_without_a_gpu_stops_before_anything_runs(ray_session: None) -> None:
    with pytest.raises(SpoofsweepError, match=r'"auto" needs a GPU to measure on; got none'):
        require_room(ClusterConfig(trials_per_gpu="auto"))


def test_a_number_needs_no_measurement(tmp_path: Path, tiny_shards: ShardSet) -> None:
    study = toy_study(tmp_path, "packed", 1, cluster={"trials_per_gpu": 4})
    assert settle(study, tiny_shards, Console(quiet=True)) == (study, None)


def test_a_measurement_is_announced(
    tmp_path: Path, tiny_shards: ShardSet, monkeypatch: pytest.MonkeyPatch, ray_session: None
) -> None:
    """The measurement itself is replaced: it needs a GPU."""
    console = Console(file=io.StringIO(), width=120)
    told: list[str] = []

    def measured(*_: object) -> GpuMemory:
        told.append(console.file.getvalue())  # type: ignore[attr-defined]
        return h200(40.0)

    monkeypatch.setattr("search.sweep.gpu_sharing.nodes", lambda: [node("a", 1)])
    monkeypatch.setattr("search.sweep.gpu_sharing._measured", measured)
    study = toy_study(tmp_path, "measured", 8, cluster={"trials_per_gpu": "auto", "max_concurrent_trials": 8})
    settled, _ = settle(study, tiny_shards, console)
    assert told == ["Measuring the largest trials on H200 ...\n"]
    assert settled.config.cluster.trials_per_gpu == 3


def test_places_that_a_machine_lacks_are_told_in_the_studys_words(ray_session: None) -> None:
    remedy = r"0.25 GPUs; got 2 and 0 on this machine; .*change cluster.trials_per_gpu = 4"
    with pytest.raises(SpoofsweepError, match=remedy):
        num_places(ClusterConfig(trials_per_gpu=4))


def test_the_service_is_asked_for_where_it_does_not_run() -> None:
    nodes = [node("a", 2), node("b", 1, "not running"), node("c", 0, "absent"), node("d", 1, "absent")]
    (note,) = sharing_notes(ClusterConfig(trials_per_gpu=4), nodes)
    assert "on b, d without" in note
    assert note.endswith("with `nvidia-cuda-mps-control -d`")


@pytest.mark.parametrize(("percentage", "is_told"), [(10.0, True), (25.0, False), (100.0, False)])
def test_shares_of_the_service_that_leave_the_gpu_idle_are_told(percentage: float, is_told: bool) -> None:
    notes = sharing_notes(ClusterConfig(trials_per_gpu=4), [node("a", 1, percentage=percentage)])
    assert [("set it to 50 or more" in note) for note in notes] == [True] * is_told
