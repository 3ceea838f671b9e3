"""What a figure was measured on."""

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine_facts(*packages: str) -> dict[str, str]:
    """Processor, cores, date, Python and the versions of ``packages``."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return {
        "processor": next(
            (ln.split(":")[1].strip() for ln in lines if ln.startswith("model name")), platform.processor()
        ),
        "cores": str(os.cpu_count()),
        "date": datetime.date.today().isoformat(),
        "Python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
