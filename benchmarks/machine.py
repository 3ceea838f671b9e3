"""What a figure was measured on, and by which command; every benchmark prints it first."""

import argparse
import datetime
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path


def machine_facts(*packages: str) -> dict[str, str]:
    """Processor, cores, date, Python and the versions of ``packages``."""
    cpu = next(
        (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    return {
        "processor": cpu,
        "cores": str(os.cpu_count()),
        "date": datetime.date.today().isoformat(),
        "Python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def parse_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The script's arguments, and as ``command`` how to call it so, but for defaults and this machine's paths."""
    arguments = parser.parse_args()
    words = ["python", f"benchmarks/{Path(sys.argv[0]).name}"]
    for name, value in vars(arguments).items():
        if value == parser.get_default(name) or isinstance(value, Path):
            continue
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words += map(str, value if isinstance(value, list) else [value])
    arguments.command = " ".join(words)
    return arguments


def memory_bytes(name: str) -> int:
    """Memory of this process as the kernel counts it: ``VmRSS`` now, ``VmHWM`` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
