"""Starts Ray on this machine, or joins a running cluster, without its chatter on the terminal."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError

CONNECT_TIMEOUT_S = 5.0

# Ray reads these when it is imported or started; what the user has set wins.
_QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming default, without the warning about it
    "RAY_USAGE_STATS_ENABLED": "0",
}


@contextmanager
def ray_session(config: ClusterConfig) -> Iterator[None]:
    """Hold a Ray connection; inside another session it does nothing, so calls may nest.

    Raises:
        SpoofsweepError: the cluster at ``config.address`` cannot be reached.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    _connect(config)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(config: ClusterConfig) -> None:
    import ray

    try:
        if config.address and ":" in config.address:
            _probe(config.address)
        ray.init(
            address=config.address or "local",
            num_cpus=None if config.address else config.num_cpus,
            include_dashboard=None if config.address else False,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise SpoofsweepError(
            "the Ray cluster must be reachable",
            f"{config.address or 'this machine'} ({error})",
            "start it with `ray start --head`, or leave cluster.address out to run on this machine",
        ) from error


def _probe(address: str) -> None:
    # ray.init retries a dead address for many minutes before it gives up.
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        raise ValueError("the address must be host:port")
    socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
