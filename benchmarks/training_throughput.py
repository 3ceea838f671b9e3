"""Utterances a second of whole training steps: the usual pipelines and a trial of spoofsweep, on one CPU or GPU.

The same model (the default CNN-GRU), batch size, crop, loss and optimiser, on the same utterances:

- flac: DataLoader, workers read FLAC with libsndfile and make the features on the fly; float32;
- npy, webdataset, litdata: DataLoaders over float16 features made beforehand, in the precision of our trials;
- no input: the loop of those on one batch that never changes, which no loader can outrun;
- spoofsweep: `Training.step` on the shards, as every trial of a sweep runs.

Each runs in a process of its own; they take turns in rounds, so that what else the machine does hits all alike. Every
DataLoader gets, of some numbers of workers, the one that serves it best. Before the clock starts, a batch of each
pipeline is looked up among the same features. All files lie in the page cache; from a cold disk the usual pipelines,
which read in every pass, would be slower.

    python benchmarks/training_throughput.py [--device cuda] [--utterances 600]

Writes training-throughput.md to results/reference (CPU) or results/gpu.
"""

import argparse
import os
import tempfile
from pathlib import Path

import torch
from machine import machine_facts, parse_arguments
from throughput.batch_check import check_batches
from throughput.feature_pipelines import LOADERS, is_installed
from throughput.step_rounds import running
from throughput.throughput_report import Figures, section
from throughput.training_contestants import COMPILED, EAGER, FAST, NO_INPUT, OURS, Contest
from throughput.training_data import make_training_data

from data_prep.atomic import atomic_write_text
from trainable.config import TrialConfig

BUDGET_PASSES = 1e6
"""So large that no rate decays and no trial ends."""


def main() -> None:
    arguments = parsed()
    torch.set_num_threads(1)  # of the preparation; what trains has its own processes
    text = []
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as name:
        data = make_training_data(Path(name), arguments.utterances, arguments.duration_s, max(1, *arguments.workers))
        print("data written", flush=True)
        for size in arguments.batch_size:
            contest = Contest(data, configuration(size, arguments.crop_s), arguments.device)
            loaders = [loader for loader in LOADERS if is_installed(loader)]
            check_batches(contest, loaders)
            print("all pipelines give the same features", flush=True)
            text += section(contest, measured(contest, arguments))
    lines = [*head(arguments.command), *text]
    print("\n".join(lines))
    atomic_write_text(arguments.output / "training-throughput.md", "\n".join(lines) + "\n")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--utterances", type=int, help="of the training split; default 600, on a GPU 25,000")
    parser.add_argument("--duration-s", type=float, default=4.0, help="of an utterance")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[TrialConfig().batch.size])
    parser.add_argument("--crop-s", type=float, default=TrialConfig().batch.crop_s)
    parser.add_argument(
        "--workers",
        type=int,
        nargs="+",
        help="tried for every loader; default 0, 1 and all cores, on a GPU half and all",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the process that trains")
    parser.add_argument("--compiled", action="store_true", help="also ours through torch.compile, a minute to begin")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round-s", type=float, default=4.0)
    parser.add_argument("--scratch", type=Path, help="folder for the data, 10 MB and 0.15 MB an utterance")
    parser.add_argument("--output", type=Path, help="folder; default results/gpu or results/reference")
    arguments = parse_arguments(parser)
    on_gpu, cores = arguments.device == "cuda", os.cpu_count() or 1
    arguments.utterances = arguments.utterances or (25_000 if on_gpu else 600)
    arguments.workers = arguments.workers or sorted({cores // 2, cores} if on_gpu else {0, 1, cores})
    arguments.output = arguments.output or Path("results/gpu" if on_gpu else "results/reference")
    return arguments


def configuration(batch_size: int, crop_s: float) -> TrialConfig:
    return TrialConfig.model_validate({"batch": {"size": batch_size, "crop_s": crop_s}, "budget_passes": BUDGET_PASSES})


def contestants(arguments: argparse.Namespace) -> list[str]:
    """Names of all that can run here."""
    variants = [FAST, EAGER] if arguments.device == "cuda" else []
    compiled = [COMPILED] if arguments.compiled else []
    return [*(name for name in LOADERS if is_installed(name)), NO_INPUT, OURS, *variants, *compiled]


def measured(contest: Contest, arguments: argparse.Namespace) -> dict[str, Figures]:
    """Figures by name; the pipelines take turns."""
    figures: dict[str, Figures] = {}
    names, seconds = contestants(arguments), arguments.round_s
    with running(names, contest, arguments.workers, arguments.threads) as runners:
        for name, runner in runners.items():
            figures[name] = Figures(runner.prepare(seconds))
            print(f"{name}: ready", flush=True)
        for number in range(arguments.rounds):
            for name, runner in runners.items():
                figures[name].rounds.append(runner.round(seconds))
                rate = figures[name].rounds[-1].utterances_per_s
                print(f"round {number + 1}, {name}: {rate:,.0f} utterances/s", flush=True)
                if name == OURS:
                    figures[name].watched.append(runner.round(seconds, watch_input=True))
        for name, runner in runners.items():
            figures[name].manner = runner.manner()
        if contest.device == "cuda":
            for name, runner in runners.items():
                figures[name].gpu_s_per_step = runner.gpu_s_per_step()
                figures[name].peak_gpu_bytes = runner.peak_gpu_bytes()
    if not figures[OURS].input_share:
        raise RuntimeError("no time was seen in the files that draw our batches; look at their names")
    return figures


def head(command: str) -> list[str]:
    packages = ("torch", "numpy", *(name for name in ("webdataset", "litdata") if is_installed(name)))
    facts = machine_facts(*packages)
    if torch.cuda.is_available():
        facts["GPU"] = torch.cuda.get_device_name()
    said = (__doc__ or "").split("    python")[0].strip()
    return [
        "# Throughput of training",
        "",
        f"`{command}`; {', '.join(map(' '.join, facts.items()))}",
        "",
        said,
        "",
    ]


if __name__ == "__main__":
    main()
