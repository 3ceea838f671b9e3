"""Kill -9 of a preparation at random moments: does the next run end with the bytes of an undisturbed one?

The driver, its Ray and all Ray workers are killed at once, at a moment drawn uniformly between the first file and the
end of an undisturbed run; then the same preparation is run to its end, and every file of the shard set is compared.

    python benchmarks/prep_kill.py [--kills 20] [--files 600] [--seed 1] [--output results/reference]
"""

import argparse
import hashlib
import json
import random
import tempfile
import time
from pathlib import Path

from corpus_files import make_corpus
from machine import machine_facts
from prep_process import watch

from data_prep.config import PrepConfig

WORKERS = 2


def configuration(corpus: Path) -> PrepConfig:
    """Two augmented views and many small shards, so that kills hit every stage."""
    steps = [{"kind": kind, "probability": 0.5} for kind in ("pitch", "stretch", "noise")]
    return PrepConfig.model_validate(
        {
            "corpus": {"layout": "asvspoof2019-la", "root": str(corpus)},
            "augmentation": {"policies": {"all": {"views": 2, "steps": steps}}},
            "utterances_per_shard": 16,
            "seed": 7,
        }
    )


def hashes(output: Path) -> dict[str, str]:
    """SHA-256 of every file of the shard sets in an output folder, leftovers included."""
    folder = output / "shards"
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not (path.parent == folder and path.name.endswith(".lock"))
    }


def kill_once(config: PrepConfig, folder: Path, after_s: float) -> dict[str, object]:
    """Kill one preparation ``after_s`` seconds after its first file, and run it again."""
    begun: list[float] = []

    def is_time() -> bool:
        if not begun and (folder / "shards").exists():
            begun.append(time.monotonic())
        return bool(begun) and time.monotonic() - begun[0] >= after_s

    killed = watch(config, folder, WORKERS, interval_s=0.01, until=is_time)
    left = hashes(folder)
    again = watch(config, folder, WORKERS)
    if again.returncode:
        raise RuntimeError(f"the second run failed:\n{again.output}")
    return {
        "after_s": round(after_s, 2),
        "was_running": killed.seconds is None,
        "shards_left": sum(name.endswith(".safetensors") for name in left),
        "temporary_files_left": sum(name.endswith(".tmp") for name in left),
        "hashes": hashes(folder),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="folder for prep-kill.md; none prints only")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        config = configuration(make_corpus(Path(name) / "LA", arguments.files, cut_s=2.0))
        whole = watch(config, Path(name) / "undisturbed", WORKERS)
        if whole.seconds is None:
            raise RuntimeError(f"the undisturbed run failed:\n{whole.output}")
        expected = hashes(Path(name) / "undisturbed")
        print(f"undisturbed: {whole.seconds:.1f} s, {len(expected)} files", flush=True)
        rng, outcomes = random.Random(arguments.seed), []
        for number in range(arguments.kills):
            outcome = kill_once(config, Path(name) / f"killed-{number}", rng.uniform(0.0, whole.seconds))
            outcome["same"] = outcome.pop("hashes") == expected
            outcomes.append(outcome)
            print(json.dumps(outcome), flush=True)
    report(outcomes, arguments.files, whole.seconds, arguments.output)


def report(outcomes: list[dict[str, object]], num_files: int, seconds: float, output: Path | None) -> None:
    same, running = (sum(bool(o[key]) for o in outcomes) for key in ("same", "was_running"))
    facts = ", ".join(f"{key} {value}" for key, value in machine_facts("ray", "torch").items())
    columns = ("after_s", "was_running", "shards_left", "temporary_files_left", "same")
    lines = [
        "# Kill -9 of a preparation",
        "",
        f"{len(outcomes)} kills ({running} before the run was over), {num_files} utterances, an undisturbed run "
        f"{seconds:.1f} s: **{same} of {len(outcomes)}** reruns ended with the bytes of the undisturbed run. {facts}",
        "",
        "| " + " | ".join(columns) + " |",
        "|---" * len(columns) + "|",
        *("| " + " | ".join(str(o[column]) for column in columns) + " |" for o in outcomes),
    ]
    print("\n".join(lines))
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "prep-kill.md").write_text("\n".join(lines) + "\n")
    if same < len(outcomes):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
