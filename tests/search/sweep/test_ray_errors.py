import pytest
from ray.exceptions import RayActorError, RayTaskError

from cluster.errors import MemoryShortageError, SpoofsweepError
from search.sweep.ray_errors import fault_of, in_one_line
from search.trials.fault import Fault

# As Ray 2.60 words them, shortened.
NODE = "The actor died because its node has died. the actor's node was terminated expectedly: received SIGTERM"
PROCESS = (
    "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: ..."
)


def raised(cause: Exception) -> RayTaskError:
    return RayTaskError("step", "traceback", cause)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (RayActorError(error_msg=NODE), Fault.LOST),
        (RayActorError(error_msg="gone", preempted=True), Fault.LOST),
        (RayActorError(error_msg=PROCESS), Fault.ERROR),
        (RayActorError(error_msg=f"in its creation: {NODE}", actor_init_failed=True), Fault.ERROR),
        (raised(MemoryShortageError("a trial must fit")), Fault.MEMORY),
        (raised(SpoofsweepError("a node has died")), Fault.ERROR),
        (raised(RuntimeError("boom")), Fault.ERROR),
    ],
)
def test_kind(error: Exception, fault: Fault) -> None:
    assert fault_of(error) is fault


def test_the_worker_s_own_error_is_told() -> None:
    assert in_one_line(raised(ValueError("two\nlines"))) == "ValueError: two lines"
