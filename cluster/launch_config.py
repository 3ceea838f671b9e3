"""Settings of the clusters that a study can be launched on."""

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from cluster.settings import Settings

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.,:@%+=-]+$")]
"""What may stand in a file without quotes."""
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable."""


class AwsConfig(Settings):
    """Amazon EC2, through `ray up`."""

    region: str = "us-east-1"
    availability_zones: tuple[str, ...] = ()
    """Zones of the region that nodes may stand in; none means all."""
    head_instance: str = "m7i.2xlarge"
    """Type of the head, which drives the sweep and trains nothing."""
    worker_instance: str = "g6.12xlarge"
    spot: bool = True
    """Workers at the spot price; the head never is one of them."""
    max_price_usd: float | None = Field(default=None, gt=0.0)
    """Most that a spot worker may cost an hour; none means the price on demand."""
    ami: str | None = None
    """Machine image, with Docker and the NVIDIA driver; none means Ray's choice for the region."""
    disk_gb: int = Field(default=200, ge=50)
    """Local disk of a node."""
    subnets: tuple[str, ...] = ()
    """Ids; none means the default network's."""
    security_groups: tuple[str, ...] = ()
    """Ids; they must let nodes reach each other and `nfs`. None means one of Ray's making."""
    instance_profile: str | None = None
    """ARN of the profile by which nodes reach buckets and EC2; none gives the head Ray's own, and workers none."""
    ssh_user: str = "ubuntu"


class GcpConfig(Settings):
    """Google Compute Engine, through `ray up`."""

    project: str | None = None
    """Project id."""
    zone: str = "us-central1-a"
    head_machine: str = "n2-standard-8"
    """Type of the head, which drives the sweep and trains nothing."""
    worker_machine: str = "g2-standard-48"
    worker_cpus: int = Field(default=48, ge=1)
    """CPU cores of `worker_machine`; Ray looks them up on AWS alone."""
    worker_gpus: int = Field(default=4, ge=0)
    """GPUs of `worker_machine`, as above."""
    accelerator: str | None = None
    """Kind of GPU, for instance ``nvidia-tesla-t4``, where the machine type has none of its own."""
    spot: bool = True
    """Workers at the spot price; the head never is one of them."""
    source_image: str = (
        "projects/deeplearning-platform-release/global/images/family/common-cu128-ubuntu-2204-nvidia-570"
    )
    """Disk image, with Docker and the NVIDIA driver."""
    disk_gb: int = Field(default=200, ge=50)
    """Local disk of a node."""
    ssh_user: str = "ubuntu"


class OnPremConfig(Settings):
    """Machines of one's own, through `ray up` over ssh."""

    head: str | None = None
    """Host name or address of the head; it trains, too."""
    workers: tuple[str, ...] = ()
    """Host names or addresses of the others."""
    ssh_user: str = "ubuntu"
    ssh_key: str | None = None
    """Private key file on the machine that launches; none means ssh's own."""

    @property
    def head_address(self) -> str | None:
        """The head's address where it is given as one: that of its network cards by which the others reach it."""
        return self.head if self.head and re.fullmatch(r"\d+(\.\d+){3}", self.head) else None


class KubeRayConfig(Settings):
    """Kubernetes with the KubeRay operator (1.7 or later, for its token authentication), through `kubectl`."""

    namespace: str = "default"
    keeps_cluster: bool = False
    """A RayCluster that stays, to be launched on by its address, instead of a RayJob whose cluster goes with it."""
    volume_claim: str | None = None
    """PersistentVolumeClaim (ReadWriteMany) that is mounted as the shared folder."""
    secret: str | None = None
    """Secret whose keys become environment variables: passwords of stores."""
    head_cpus: int = Field(default=4, ge=1)
    """CPU cores of the head, which drives the sweep and trains nothing."""
    head_memory_gb: int = Field(default=16, ge=4)
    worker_cpus: int = Field(default=16, ge=1)
    """CPU cores of a worker."""
    worker_gpus: int = Field(default=4, ge=0)
    """GPUs of a worker."""
    worker_memory_gb: int = Field(default=64, ge=4)
    worker_shared_memory_gb: int = Field(default=16, ge=1)
    """Of its memory, what Ray's object store may take in /dev/shm."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the Kubernetes nodes that workers may stand on, for instance spot ones."""


class SlurmConfig(Settings):
    """SLURM, through `sbatch`; every node of the job trains, the first one drives, too."""

    partition: Word | None = None
    account: Word | None = None
    time: str = Field(default="24:00:00", pattern=r"^(\d+-)?\d+(:\d+){0,2}$")
    """Limit as SLURM writes it; the job asks for itself again (requeue) five minutes before it is over."""
    cpus_per_node: int = Field(default=16, ge=1)
    gpus_per_node: int = Field(default=0, ge=0)
    memory_gb: int | None = Field(default=None, ge=1)
    """Of a node; none means the partition's default."""
    setup: tuple[str, ...] = ()
    """Shell lines run first, for instance ``module load cuda``."""


class LaunchConfig(Settings):
    """Where and how `spoofsweep launch` runs a study."""

    shared_folder: str | None = None
    """Absolute path under which every node sees the same folder; relative output paths start there."""
    nfs: str | None = None
    """``host:/path`` of the file system (EFS, Filestore) that nodes on AWS and GCP mount as the shared folder."""
    image: str | None = None
    """Container image with Python and all packages, built from `cluster/templates/Dockerfile`; not for SLURM."""
    venv: str | None = None
    """Virtual environment on every node, where there is no image; none means what is on the PATH."""
    environment: dict[Variable, str] = Field(default_factory=dict)
    """Environment variables of sweep and trials; written into files, so no passwords."""
    forward: tuple[Variable, ...] = ()
    """Names of variables that are taken from the launching shell, such as ``PGPASSWORD``; shown nowhere."""
    num_workers: int = Field(default=2, ge=1)
    """Nodes that train; at most so many where the cluster scales by itself."""
    min_workers: int = Field(default=1, ge=0)
    """Nodes that are kept however little there is to do."""
    idle_minutes: int = Field(default=10, ge=1)
    """A node with nothing to do goes after this time."""
    aws: AwsConfig = AwsConfig()
    gcp: GcpConfig = GcpConfig()
    onprem: OnPremConfig = OnPremConfig()
    kuberay: KubeRayConfig = KubeRayConfig()
    slurm: SlurmConfig = SlurmConfig()

    @field_validator("shared_folder")
    @classmethod
    def _absolute(cls, folder: str | None) -> str | None:
        if folder is not None and not re.fullmatch(r"/[^\s:]*", folder):
            raise ValueError("it must be an absolute path, as the nodes see it, without spaces and colons")
        return folder

    @model_validator(mode="after")
    def _few_enough_kept(self) -> "LaunchConfig":
        if self.min_workers > self.num_workers:
            raise ValueError(f"min_workers {self.min_workers} is above num_workers {self.num_workers}")
        return self
