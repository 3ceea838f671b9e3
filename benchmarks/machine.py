"""What a figure was measured on, and by which command; every benchmark prints it first."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.machine_facts import machine_facts as machine_facts


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
    arguments.command = f"python {shlex.join(words[1:])}"
    return arguments


def write_page(path: Path, title: str, doc: str, packages: Sequence[str], command: str, lines: Sequence[str]) -> None:
    """Write and print a page: what was run and on what, the script's own words, and what came of it."""
    facts = ", ".join(f"{name} {value}" for name, value in machine_facts(*packages).items())
    text = "\n".join([f"# {title}", "", f"`{command}`; {facts}", "", *doc.strip().splitlines(), "", *lines]) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(text)


def memory_bytes(name: str) -> int:
    """Memory of this process as the kernel counts it: ``VmRSS`` now, ``VmHWM`` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024
