"""What a figure was measured on; every benchmark prints it first."""

import datetime
import os
import platform
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


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
