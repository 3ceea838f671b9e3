"""A SLURM cluster of several hosts on this machine: each slurmd has a network, process and host name of its own.

Needs root and Debian's packages slurm-wlm, munge and iproute2.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

_NETWORK = "10.67.0"
_BRIDGE = "spoofslurm"
_CONFIGURATION = """
ClusterName=lab
SlurmctldHost={host}({network}.1)
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


def missing() -> str | None:
    """What this machine lacks for a lab; none if it has all."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [name for name in ("slurmctld", "slurmd", "munged", "ip", "nsenter", "unshare") if not shutil.which(name)]
    return f"needs {', '.join(absent)} (apt-get install slurm-wlm munge iproute2)" if absent else None


class SlurmLab:
    """A running cluster; commands must have `environment`."""

    def __init__(self, folder: Path, hosts: Sequence[str]) -> None:
        self.folder, self.hosts = folder, tuple(hosts)
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen] = {}

    def start_daemon(self, name: str, command: Sequence[str]) -> None:
        """Run a daemon in the foreground, its output in a file of its name."""
        environment = {**os.environ, **self.environment}
        with (self.folder / f"{name}.log").open("ab") as log:
            daemon = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        self._daemons[name] = daemon

    def start_host(self, host: str) -> None:
        """Start the slurmd of a host inside its namespaces."""
        inside = f"hostname {host}; exec slurmd -D -N {host} -f {self.folder}/slurm.conf"
        enter = ["nsenter", f"--net=/run/netns/{_BRIDGE}-{host}"]
        unshare = ["unshare", "-u", "-p", "-m", "-f", "--kill-child", "--mount-proc", "bash", "-c", inside]
        self.start_daemon(host, [*enter, *unshare])

    def crash(self, host: str) -> None:
        """End a host at once, with all that runs on it."""
        daemon = self._daemons.pop(host)
        daemon.kill()
        daemon.wait()

    def command(self, *arguments: str) -> str:
        """Output of a program of SLURM's."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True).stdout

    def wait_until_idle(self, timeout_s: float = 60.0) -> None:
        """Wait until every host takes jobs."""
        for _ in range(int(2 * timeout_s)):
            try:
                states = self.command("sinfo", "--noheader", "--Node", "--format=%T").split()
            except subprocess.CalledProcessError:  # the controller is not up yet
                states = []
            if states == ["idle"] * len(self.hosts):
                return
            time.sleep(0.5)
        raise RuntimeError(f"SLURM's nodes are {states}; see {self.folder}")

    def stop(self) -> None:
        """End all daemons."""
        for daemon in reversed(self._daemons.values()):
            daemon.send_signal(signal.SIGTERM)
        for name, daemon in self._daemons.items():
            try:
                daemon.wait(5)
            except subprocess.TimeoutExpired:
                self._daemons[name].kill()
                daemon.wait()


@contextmanager
def slurm_lab(folder: Path, num_hosts: int, cpus: int = 2) -> Iterator[SlurmLab]:
    """Run a cluster of ``num_hosts`` hosts with ``cpus`` cores each until the context ends."""
    hosts = [f"lab{number}" for number in range(1, num_hosts + 1)]
    with ExitStack() as stack:
        _network(hosts, stack)
        lab = SlurmLab(folder, hosts)
        stack.callback(lab.stop)
        _configure(folder, hosts, cpus)
        key, socket = folder / "munge.key", folder / "munge.socket"
        options = [f"--key-file={key}", f"--socket={socket}", f"--pid-file={folder}/munged.pid"]
        files = [f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"]
        lab.start_daemon("munged", ["munged", "--foreground", "--force", *options, *files])
        lab.start_daemon("slurmctld", ["slurmctld", "-D", "-i", "-f", f"{folder}/slurm.conf"])
        for host in hosts:
            lab.start_host(host)
        lab.wait_until_idle()
        yield lab


def _configure(folder: Path, hosts: Sequence[str], cpus: int) -> None:
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    nodes = "\n".join(
        f"NodeName={host} NodeAddr={_NETWORK}.{10 + number} CPUs={cpus} RealMemory=4000 State=UNKNOWN"
        for number, host in enumerate(hosts, 1)
    )
    text = _CONFIGURATION.format(host=os.uname().nodename, network=_NETWORK, folder=folder, nodes=nodes)
    (folder / "slurm.conf").write_text(text)


def _network(hosts: Sequence[str], stack: ExitStack) -> None:
    """A bridge, and for each host a network namespace with an address on it."""
    _ip("link", "add", _BRIDGE, "type", "bridge")
    stack.callback(_ip, "link", "del", _BRIDGE)
    _ip("addr", "add", f"{_NETWORK}.1/24", "dev", _BRIDGE)
    _ip("link", "set", _BRIDGE, "up")
    for number, host in enumerate(hosts, 1):
        space, end = f"{_BRIDGE}-{host}", f"spoof{number}"
        _ip("netns", "add", space)
        stack.callback(_ip, "netns", "del", space)
        _ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("link", "set", end, "master", _BRIDGE, "up")
        _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", space, "addr", "add", f"{_NETWORK}.{10 + number}/24", "dev", "eth0")
        _ip("-n", space, "link", "set", "eth0", "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
