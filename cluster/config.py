"""Settings of where a study runs."""

from pydantic import Field, field_validator

from cluster.settings import Settings


class ClusterConfig(Settings):
    """Where trials run and what each of them is given."""

    address: str | None = None
    """Ray cluster to join (``auto`` or ``host:port``); none starts Ray on this machine."""
    num_cpus: int | None = Field(default=None, ge=1)
    """CPU cores Ray may use when it starts here; none means all of them."""
    cpus_per_trial: int = Field(default=1, ge=1)
    """CPU cores, and torch threads, of one trial."""
    gpus_per_trial: float = Field(default=0.0, ge=0.0, le=8.0)
    """GPUs of one trial, whole above 1; a fraction packs several trials on one GPU, 0 trains on the CPU."""
    max_concurrent_trials: int | None = Field(default=None, ge=1)
    """Upper bound of trials at a time; none means as many as the resources hold."""

    @field_validator("gpus_per_trial")
    @classmethod
    def _whole_above_one(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError("above 1 it must be whole: Ray gives no fraction of a second GPU")
        return gpus
