"""How preparation scales: two workers against one on the same files, and memory for 1,000 and for 20,000 files.

Speed: LFCC with two augmented views, utterances of full length, workers started beforehand; one and two workers take
turns. Memory: clean view of 1-second utterances (hard links to a few hundred), two workers; the peak of the driver's
resident set, and of the workers' sum, sampled four times a second.

    python benchmarks/prep_scale.py [--files 2000] [--memory 1000 20000] [--repeats 3] [--output results/reference]
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from corpus_files import make_corpus
from machine import machine_facts
from prep_process import Watched, watch

from data_prep.config import PrepConfig


def configuration(corpus: Path, num_views: int, utterances_per_shard: int) -> PrepConfig:
    steps = [{"kind": "pitch"}, {"kind": "stretch"}, {"kind": "noise"}]
    policies = {"all": {"views": num_views, "steps": steps}} if num_views else {}
    return PrepConfig.model_validate(
        {
            "corpus": {"layout": "asvspoof2019-la", "root": str(corpus)},
            "augmentation": {"policies": policies},
            "utterances_per_shard": utterances_per_shard,
        }
    )


def run(config: PrepConfig, output: Path, num_workers: int) -> Watched:
    found = watch(config, output, num_workers)
    if found.seconds is None:
        raise RuntimeError(f"preparation failed:\n{found.output}")
    return found


def speed(folder: Path, num_files: int, repeats: int) -> tuple[dict[int, float], list[str]]:
    """Median seconds by number of workers, and lines that tell all."""
    config = configuration(make_corpus(folder / "LA", num_files), 2, 32)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for repeat in range(repeats):
        for num_workers, found in seconds.items():
            measured = run(config, folder / f"{repeat}-{num_workers}", num_workers).seconds or 0.0
            found.append(measured)
            print(f"{num_workers} workers: {measured:.1f} s", flush=True)
    medians = {num_workers: statistics.median(found) for num_workers, found in seconds.items()}
    rows = [
        f"| {n} | {medians[n]:.1f} | {min(found):.1f} - {max(found):.1f} | {medians[1] / medians[n]:.2f} |"
        for n, found in seconds.items()
    ]
    return medians, ["| workers | median s | range s | times one worker |", "|---|---|---|---|", *rows]


def memory(folder: Path, counts: list[int]) -> list[str]:
    """A line a corpus size: seconds and peaks."""
    rows: list[str] = []
    first: dict[str, Any] = {}
    for count in counts:
        config = configuration(make_corpus(folder / f"LA-{count}", count, cut_s=1.0), 0, 128)
        found = run(config, folder / f"out-{count}", 2)
        total = found.peak_driver_mb + found.peak_workers_mb
        first.setdefault("total", total)
        rows.append(
            f"| {count:,} | {found.seconds:.1f} | {found.peak_driver_mb:.0f} | {found.peak_workers_mb:.0f} | "
            f"{total:.0f} | {total / first['total']:.3f} |"
        )
        print(rows[-1], flush=True)
    head = ["| files | s | driver MB | workers MB | together MB | to the first |", "|---|---|---|---|---|---|"]
    return [*head, *rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000, help="utterances of the speed test; 0 leaves it out")
    parser.add_argument("--memory", type=int, nargs="*", default=[1000, 20000], help="corpus sizes of the memory test")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="folder for prep-scale.md; none prints only")
    arguments = parser.parse_args()
    lines = ["# How preparation scales", "", (__doc__ or "").strip(), ""]
    with tempfile.TemporaryDirectory() as name:
        if arguments.files:
            medians, rows = speed(Path(name) / "speed", arguments.files, arguments.repeats)
            lines += [*rows, "", f"Two workers: {medians[1] / medians[2]:.2f} times one (aim: at least 1.85).", ""]
        if arguments.memory:
            lines += [*memory(Path(name) / "memory", arguments.memory), ""]
    lines.append(", ".join(f"{key} {value}" for key, value in machine_facts("ray", "torch").items()))
    print("\n".join(lines))
    if arguments.output is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
        (arguments.output / "prep-scale.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
