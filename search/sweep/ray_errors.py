"""What Ray says went wrong: what kind of fault it is, and in words for a user."""

import re

from ray.exceptions import ActorUnavailableError, RayActorError, RayTaskError

from cluster.errors import MemoryShortageError
from search.trials.fault import Fault

_LOST_NODE = re.compile(r"node has died|node was (terminated|preempted|drained)")
"""In Ray's words about an actor whose whole machine went away; only preemption has a flag of its own."""


def fault_of(error: BaseException) -> Fault:
    """The kind of an error that ended a trial."""
    cause = _cause(error)
    if isinstance(cause, MemoryShortageError):
        return Fault.MEMORY
    if isinstance(cause, ActorUnavailableError):
        return Fault.LOST
    if isinstance(cause, RayActorError) and not cause.actor_init_failed:
        return Fault.LOST if cause.preempted or _LOST_NODE.search(str(cause)) else Fault.ERROR
    return Fault.ERROR


def in_one_line(error: BaseException) -> str:
    """The kind and the message of an error, of the worker's own one if Ray wrapped it."""
    cause = _cause(error)
    return f"{type(cause).__name__}: {' '.join(str(cause).split())}"[:500]


def _cause(error: BaseException) -> BaseException:
    return error.cause if isinstance(error, RayTaskError) else error
