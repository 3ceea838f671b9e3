"""What Ray says went wrong, in words for a user."""

from ray.exceptions import RayTaskError


def in_one_line(error: BaseException) -> str:
    """The kind and the message of an error, of the worker's own one if Ray wrapped it."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    return f"{type(cause).__name__}: {' '.join(str(cause).split())}"[:500]
