"""Several hosts on this machine: each has a network, process, mount and host name space of its own, as root.

Files are those of the machine, so that any folder is a shared one; but each host has its own ``/tmp/ray``.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

_KEPT = (Path(sys.base_prefix), Path(sys.prefix), Path(__file__).resolve().parents[1])
SSHD = "/usr/sbin/sshd"
"""The server wants to be called by its whole path."""


def missing(*programs: str) -> str | None:
    """What this machine lacks for hosts that run ``programs``; none if it has all."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [name for name in ("ip", "nsenter", "unshare", *programs) if not shutil.which(name)]
    return (
        f"needs {', '.join(absent)}: apt-get install iproute2 slurm-wlm munge openssh-server rsync" if absent else None
    )


class Hosts:
    """Hosts on one network, and the daemons that run on them and beside them.

    Args:
        name: of the bridge; at most nine characters.
        network: first three numbers of the addresses; this machine is ``.1``, the hosts ``.11`` and on.
        folder: for what daemons say.
        environment: of the daemons, beside this process's own.
    """

    def __init__(self, name: str, network: str, count: int, folder: Path, environment: dict[str, str]) -> None:
        self._bridge, self._folder, self._environment = name, folder, environment
        self.addresses = {f"{name}{number}": f"{network}.{10 + number}" for number in range(1, count + 1)}
        self.own_address = f"{network}.1"
        self._daemons: dict[str, subprocess.Popen] = {}

    def start(self, name: str, command: Sequence[str]) -> None:
        """Run a daemon on this machine, in the foreground; its output goes to a file of its name."""
        environment = {**os.environ, **self._environment}
        with (self._folder / f"{name}.log").open("ab") as log:
            daemon = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        self._daemons[name] = daemon

    def start_on(self, host: str, command: str, home: Path | None = None) -> None:
        """Run a shell command as the first process of a host; with it the host dies.

        Args:
            home: a folder that is root's home there; what of Python lies in the real one stays to be seen.
        """
        mounts = ["mkdir -p /tmp/ray", "mount -t tmpfs none /tmp/ray"]
        if home is not None:
            for kept in (path for path in _KEPT if path.is_relative_to(Path.home())):
                place = home / kept.relative_to(Path.home())
                mounts += [f"mkdir -p {place}", f"mount --bind {kept} {place}"]
            mounts.append(f"mount --rbind {home} {Path.home()}")
        inside = f"hostname {host}; {'; '.join(mounts)}; exec {command}"
        unshare = ["unshare", "-u", "-p", "-m", "-f", "--kill-child", "--mount-proc", "bash", "-c", inside]
        self.start(host, ["nsenter", f"--net=/run/netns/{host}", *unshare])

    def crash(self, name: str) -> None:
        """End a daemon at once; of a host, with all that runs on it."""
        daemon = self._daemons.pop(name)
        daemon.kill()
        daemon.wait()

    def cut(self, host: str) -> None:
        """Take a host off the network; what runs on it runs on."""
        _ip("link", "set", f"{host}-out", "down")

    def mend(self, host: str) -> None:
        """Put it back."""
        _ip("link", "set", f"{host}-out", "up")

    def stop(self) -> None:
        """End all daemons."""
        for daemon in reversed(self._daemons.values()):
            daemon.send_signal(signal.SIGTERM)
        for name in list(self._daemons):
            try:
                self._daemons[name].wait(5)
            except subprocess.TimeoutExpired:
                self.crash(name)

    def connect(self, stack: ExitStack) -> None:
        """Make the network; ``stack`` takes it away again."""
        _ip("link", "add", self._bridge, "type", "bridge")
        stack.callback(_ip, "link", "del", self._bridge)
        _ip("addr", "add", f"{self.own_address}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for host, address in self.addresses.items():
            _ip("netns", "add", host)
            stack.callback(_ip, "netns", "del", host)
            _ip("link", "add", f"{host}-out", "type", "veth", "peer", "name", "eth0", "netns", host)
            stack.callback(_ip, "link", "del", f"{host}-out")  # else it lasts until the last process there has gone
            _ip("link", "set", f"{host}-out", "master", self._bridge, "up")
            _ip("-n", host, "link", "set", "lo", "up")
            _ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", host, "link", "set", "eth0", "up")
            _ip("-n", host, "route", "add", "default", "via", self.own_address)  # by it Ray finds its own address


@contextmanager
def network_hosts(
    name: str, network: str, count: int, folder: Path, environment: dict[str, str] | None = None
) -> Iterator[Hosts]:
    """Connected hosts without daemons; all that is started on them ends with the context."""
    with ExitStack() as stack:
        hosts = Hosts(name, network, count, folder, environment or {})
        hosts.connect(stack)
        stack.callback(hosts.stop)
        yield hosts


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
