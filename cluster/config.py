"""Settings of where a study runs."""

import json
import math
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from cluster.errors import SpoofsweepError
from cluster.launch_config import LaunchConfig
from cluster.prices import NodePrices
from cluster.settings import Settings

MOST_TRIALS_PER_GPU = 48
"""Clients that NVIDIA's Multi-Process Service takes on one GPU of compute capability 7 and above, by its manual."""
_RAY_UNITS = 10_000
"""Ray counts resources in ten thousandths, and rounds: six times 1/6 would come out above one GPU."""


class ClusterConfig(Settings):
    """Where trials run and what each of them is given."""

    address: str | None = None
    """Ray cluster to join (``auto`` or ``host:port``); none starts Ray on this machine."""
    num_cpus: int | None = Field(default=None, ge=1)
    """CPU cores Ray may use when it starts here; none means all of them."""
    cpus_per_trial: int = Field(default=1, ge=1)
    """CPU cores, and torch threads, of one trial."""
    gpus_per_trial: float | None = Field(default=None, ge=0.0, le=8.0)
    """GPUs of one trial, whole above 1; a fraction packs several trials on one GPU, 0 or none trains on the CPU."""
    trials_per_gpu: int | Literal["auto"] | None = None
    """Instead of ``gpus_per_trial``: trials that share a GPU; ``auto`` measures what the largest trial takes."""
    max_concurrent_trials: int | None = Field(default=None, ge=1)
    """Upper bound of trials at a time; none means as many as the resources hold."""
    price_per_hour: float | None = Field(default=None, ge=0.0)
    """Price of an hour of all machines together, in any currency; none, here and below, leaves costs out."""
    prices: NodePrices | None = None
    """Instead, where machines come and go: the price of each."""
    launch: LaunchConfig = LaunchConfig()
    """For `spoofsweep launch`."""

    @property
    def uses_gpu(self) -> bool:
        """Whether trials run on GPUs."""
        return self.trials_per_gpu is not None or bool(self.gpus_per_trial)

    @property
    def device(self) -> str:
        """Where PyTorch computes."""
        return "cuda" if self.uses_gpu else "cpu"

    @property
    def gpu_share(self) -> float:
        """GPUs of one trial, as Ray is told them: below 1 a share, 0 on the CPU.

        Raises:
            SpoofsweepError: it is to be measured, and nobody has done so (see `search.sweep.gpu_sharing`).
        """
        if self.trials_per_gpu == "auto":
            remedy = "run `spoofsweep sweep`, which measures it, or give a number"
            raise SpoofsweepError("cluster.trials_per_gpu must be measured before trials run", '"auto"', remedy)
        if self.trials_per_gpu is None:
            return self.gpus_per_trial or 0.0
        return math.floor(_RAY_UNITS / self.trials_per_gpu) / _RAY_UNITS

    @property
    def has_prices(self) -> bool:
        """Whether costs can be told."""
        return self.price_per_hour is not None or self.prices is not None

    def price_of_hour(self, num_workers: int) -> float:
        """Price of an hour of all machines, where there are so many besides the head; 0 where none is known."""
        return (self.price_per_hour or 0.0) if self.prices is None else self.prices.of(num_workers)

    @property
    def gpu_setting(self) -> str:
        """What the study says about GPUs, for messages."""
        if self.trials_per_gpu is None:
            return f"cluster.gpus_per_trial = {self.gpus_per_trial or 0.0:g}"
        return f"cluster.trials_per_gpu = {json.dumps(self.trials_per_gpu)}"

    def packed(self, trials_per_gpu: int) -> "ClusterConfig":
        """The same with so many trials a GPU, in the place of ``auto``."""
        return self.model_copy(update={"trials_per_gpu": trials_per_gpu})

    @model_validator(mode="after")
    def _one_price(self) -> "ClusterConfig":
        if self.price_per_hour is not None and self.prices is not None:
            raise ValueError("price_per_hour and prices say the same: give one of the two")
        return self

    @field_validator("gpus_per_trial")
    @classmethod
    def _whole_above_one(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and gpus != int(gpus):
            raise ValueError("above 1 it must be whole: Ray gives no fraction of a second GPU")
        return gpus

    @field_validator("trials_per_gpu", mode="before")
    @classmethod
    def _auto_or_a_number(cls, trials: Any) -> Any:
        # Before the types are tried: else each member of the union complains for itself.
        is_number = isinstance(trials, int) and not isinstance(trials, bool) and 1 <= trials <= MOST_TRIALS_PER_GPU
        if trials is not None and trials != "auto" and not is_number:
            raise ValueError(f'it must be "auto", or a whole number from 1 to {MOST_TRIALS_PER_GPU}')
        return trials

    @model_validator(mode="after")
    def _one_of_both(self) -> "ClusterConfig":
        if self.gpus_per_trial is not None and self.trials_per_gpu is not None:
            raise ValueError(
                "give either trials_per_gpu or gpus_per_trial: trials_per_gpu = 4 is gpus_per_trial = 0.25"
            )
        return self
