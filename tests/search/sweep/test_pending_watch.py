import time
from collections.abc import Iterator

import pytest
from rich.console import Console

from cluster.pending import describe, why_waiting
from search.sweep.pending_watch import PendingWatch

NODES = {"small": {"CPU": 4.0, "memory": 1e9}, "large": {"CPU": 16.0, "GPU": 2.0}}


@pytest.mark.parametrize(
    ("waiting", "said"),
    [
        ([], None),
        ([{"CPU": 2.0}] * 3, "3 trials wait for 2 CPU cores: all that have them are busy (small, large)"),
        ([{"CPU": 1.0, "GPU": 0.5}], "1 trial waits for 1 CPU core and 0.5 GPUs: all that have them are busy (large)"),
        (
            [{"CPU": 1.0, "GPU": 4.0}],
            "1 trial waits for 1 CPU core and 4 GPUs, which no node has (small has 4 CPU cores, large has 16 CPU cores "
            "and 2 GPUs): start a larger node, or ask for less in [cluster]",
        ),
    ],
)
def test_what_trials_wait_for(waiting: list[dict[str, float]], said: str | None) -> None:
    assert describe(waiting, NODES) == said


@pytest.fixture
def too_large(ray_session: None) -> Iterator[None]:
    """Work that no node can take."""
    from ray.util.placement_group import placement_group, remove_placement_group

    group = placement_group([{"CPU": 64}])
    yield
    remove_placement_group(group)


def test_it_is_said_once_and_only_when_nothing_is_heard(too_large: None) -> None:
    reason = why_waiting()
    assert reason is not None
    assert reason.startswith("1 trial waits for 64 CPU cores, which no node has (")
    console = Console(record=True, width=300)
    with PendingWatch(console, patience_s=0.2):
        time.sleep(0.8)
    assert console.export_text() == f"{reason}.\n"
    with PendingWatch(console, patience_s=60.0):
        time.sleep(0.1)
    assert console.export_text() == ""
