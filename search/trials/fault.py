"""Why a trial could not go on."""

from enum import Enum


class Fault(Enum):
    """What kind of fault ended a trial's training."""

    ERROR = "error"
    """It raised, or its process died."""
    MEMORY = "memory"
    """Its share of a GPU was too small."""
    LOST = "lost"
    """Its machine went away, which is no fault of the trial's."""
