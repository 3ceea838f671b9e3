import time

import pytest

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from cluster.ray_session import CONNECT_TIMEOUT_S, _connect
from cluster.ray_session import ray_session as session


def test_unreachable_cluster_is_one_clear_error_within_seconds() -> None:
    started = time.monotonic()
    with pytest.raises(SpoofsweepError, match=r"must be reachable; got 127.0.0.1:1 .*ray start --head"):
        # Below the context manager, which would use the session's own Ray where it runs already.
        _connect(ClusterConfig(address="127.0.0.1:1"))
    assert time.monotonic() - started < 2 * CONNECT_TIMEOUT_S


def test_sessions_nest_and_the_inner_one_leaves_ray_running(ray_session: None) -> None:
    import ray

    with session(ClusterConfig(address="127.0.0.1:1")):
        assert ray.is_initialized()
    assert ray.is_initialized()
    assert ray.cluster_resources()["CPU"] == 2
