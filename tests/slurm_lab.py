"""A SLURM cluster of several hosts on this machine."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from network_hosts import Hosts, network_hosts

PROGRAMS = ("slurmctld", "slurmd", "munged")
_CONFIGURATION = """
ClusterName=lab
SlurmctldHost={host}({address})
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SrunPortRange=60001-61000
ReturnToService=2
SlurmdTimeout=20
KillWait=5
SlurmdParameters=config_overrides
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class SlurmLab:
    """A running cluster; commands must have `environment`."""

    def __init__(self, folder: Path, hosts: Hosts, environment: dict[str, str]) -> None:
        self.hosts, self.environment, self._folder = hosts, environment, folder

    def command(self, *arguments: str) -> str:
        """Output of a program of SLURM's."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True).stdout

    def states(self) -> dict[str, str]:
        """What SLURM says of each host."""
        lines = self.command("sinfo", "--noheader", "--Node", "--format=%N %T").splitlines()
        return dict(line.split() for line in lines)

    def wait_until_idle(self, timeout_s: float = 60.0) -> None:
        """Wait until every host takes jobs."""
        states: dict[str, str] = {}
        for _ in range(int(2 * timeout_s)):
            try:
                states = self.states()
            except subprocess.CalledProcessError:  # the controller is not up yet
                states = {}
            if states == dict.fromkeys(self.hosts.addresses, "idle"):
                return
            time.sleep(0.5)
        raise RuntimeError(f"SLURM's nodes are {states}; see {self._folder}")


@contextmanager
def slurm_lab(folder: Path, num_hosts: int, cpus: int) -> Iterator[SlurmLab]:
    """Run a cluster of ``num_hosts`` hosts with ``cpus`` cores each until the context ends."""
    environment = {"SLURM_CONF": str(folder / "slurm.conf")}
    with network_hosts("slurm", "10.67.0", num_hosts, folder, environment) as hosts:
        lab = SlurmLab(folder, hosts, environment)
        _configure(folder, hosts, cpus)
        options = [
            f"--key-file={folder}/munge.key",
            f"--socket={folder}/munge.socket",
            f"--pid-file={folder}/munged.pid",
        ]
        files = [f"--log-file={folder}/munged-own.log", f"--seed-file={folder}/munged.seed"]
        hosts.start("munged", ["munged", "--foreground", "--force", *options, *files])
        hosts.start("slurmctld", ["slurmctld", "-D", "-i"])
        for host in hosts.addresses:
            hosts.start_on(host, f"slurmd -D -N {host}")
        lab.wait_until_idle()
        yield lab


def _configure(folder: Path, hosts: Hosts, cpus: int) -> None:
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    nodes = "\n".join(
        f"NodeName={host} NodeAddr={address} CPUs={cpus} RealMemory=4000 State=UNKNOWN"
        for host, address in hosts.addresses.items()
    )
    text = _CONFIGURATION.format(host=os.uname().nodename, address=hosts.own_address, folder=folder, nodes=nodes)
    (folder / "slurm.conf").write_text(text)
