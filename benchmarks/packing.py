"""Trials an hour for 1, 2, 4 and 8 of them at a time on one GPU, and what the step of one alone is bound by.

Every trial is a whole training of a fixed small budget, validation included, on features that its process keeps, as a
sweep's reused actors do. As many processes as trials at a time begin together, each after a trial that does not count,
and train one trial after another. On a GPU each is capped at its share of the memory. With --device cpu the same by
processes of one thread, 1 and 2 of them.

    python benchmarks/packing.py [--device cuda] [--shards FOLDER] [--at-a-time 1 2 4 8] [--passes 240] [--trials 3]

Without --shards the sample corpus is prepared first, which needs Ray. Whether NVIDIA's Multi-Process Service ran is
told; to compare, start it with `nvidia-cuda-mps-control -d` and run this again with another --output. Writes packing.md
to results/reference (CPU) or results/gpu.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch
from machine import machine_facts, memory_bytes, parse_arguments
from spans import covered
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from cluster.gpus import find_mps
from data_prep.atomic import atomic_write_text
from data_prep.config import PrepConfig
from data_prep.shards import ShardSet
from trainable.config import TrialConfig
from trainable.data.frames import Frames
from trainable.hardware.gpu_share import GpuShare
from trainable.hardware.release import ReleaseCheck
from trainable.training.training import Training

SPAWN = get_context("spawn")
LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch", "cudaMemcpyAsync", "cudaMemsetAsync")
ARITHMETIC_BOUND = 0.5
"""Share of a step during which the GPU works, above which arithmetic bounds the step rather than launches."""
WARM_UP_STEPS, TIMED_STEPS, PROFILED_STEPS = 5, 30, 10


@dataclass(frozen=True)
class Task:
    """What every process trains."""

    shards: Path
    trial: TrialConfig
    device: str
    num_trials: int


@dataclass(frozen=True)
class Span:
    """When one process trained, on the machine's monotonic clock, and the memory that it took at most."""

    start_s: float
    end_s: float
    peak_bytes: int


@dataclass(frozen=True)
class StepFigures:
    """One step of a trial alone, means over steps."""

    execution: str
    plan: str
    wall_ms: float
    gpu_ms: float
    """During which a kernel or a copy ran, several at a time counted once; 0 on a CPU."""
    num_kernels: float
    num_launches: float
    """Calls that hand something to the GPU."""
    num_operators: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--shards", type=Path, help="a shard set; none prepares the sample corpus")
    parser.add_argument("--at-a-time", type=int, nargs="+", help="default 1 2 4 8 on a GPU, 1 2 on a CPU")
    parser.add_argument("--passes", type=float, help="a trial's budget; default 240 on a GPU, 12 on a CPU")
    parser.add_argument("--trials", type=int, default=3, help="that each process trains")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--crop-s", type=float, default=2.0)
    parser.add_argument("--output", type=Path, help="default results/gpu or results/reference")
    arguments = parse_arguments(parser)
    on_gpu = arguments.device == "cuda"
    passes = arguments.passes or (240.0 if on_gpu else 12.0)
    trial = TrialConfig.model_validate(
        {
            "batch": {"size": arguments.batch_size, "crop_s": arguments.crop_s},
            "budget_passes": passes,
            "report_passes": passes / 4,
        }
    )
    task = Task(arguments.shards or prepared_sample(), trial, arguments.device, arguments.trials)
    steps = [alone(task, execution) for execution in (("eager", "auto") if on_gpu else ("eager",))]
    runs = {num: packed(task, num) for num in arguments.at_a_time or ((1, 2, 4, 8) if on_gpu else (1, 2))}
    text = report(arguments.command, task, steps, runs)
    print(text)
    output = arguments.output or Path("results/gpu" if on_gpu else "results/reference")
    atomic_write_text(output / "packing.md", text)


def prepared_sample() -> Path:
    """Shards of the sample corpus with the features that studies have by default."""
    from corpus_files import SAMPLE

    from data_prep.prepare import prepare  # Ray comes with it

    recipe = PrepConfig.model_validate({"corpus": {"layout": "asvspoof2019-la", "root": str(SAMPLE)}})
    return prepare(recipe, Path(), Path("results")).folder


def alone(task: Task, execution: str) -> StepFigures:
    """Steps of one trial in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as process:
        figures = process.submit(profile_steps, task, execution).result()
    print(f"{execution}: {figures.wall_ms:.2f} ms a step", flush=True)
    return figures


def profile_steps(task: Task, execution: str) -> StepFigures:
    """The body of `alone`: steps timed without a profiler, then others under it."""
    torch.set_num_threads(1)
    trial = task.trial.model_copy(update={"execution": execution})
    training = Training(trial, ShardSet.open(task.shards), 0, task.device)
    take_steps(training, WARM_UP_STEPS)
    started = time.perf_counter()
    take_steps(training, TIMED_STEPS)
    wall_ms = (time.perf_counter() - started) / TIMED_STEPS * 1000
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if task.device == "cuda" else [])
    with profile(activities=activities) as profiler:
        take_steps(training, PROFILED_STEPS)
    events = profiler.events()
    kernels = [event for event in events if event.device_type == DeviceType.CUDA and not event.is_user_annotation]
    return StepFigures(
        execution=execution,
        plan=training.plan,
        wall_ms=wall_ms,
        gpu_ms=covered((event.time_range.start, event.time_range.end) for event in kernels) / PROFILED_STEPS / 1000,
        num_kernels=len(kernels) / PROFILED_STEPS,
        num_launches=sum(event.name.startswith(LAUNCHES) for event in events) / PROFILED_STEPS,
        num_operators=sum(event.name.startswith("aten::") for event in events) / PROFILED_STEPS,
    )


def take_steps(training: Training, number: int) -> None:
    for _ in range(number):
        training.step()
    if training.device.type == "cuda":
        torch.cuda.synchronize()


def packed(task: Task, num_at_a_time: int) -> list[Span]:
    """So many processes at a time, each with its trials."""
    barrier = SPAWN.Barrier(num_at_a_time)
    with ProcessPoolExecutor(num_at_a_time, SPAWN, initializer=join, initargs=(barrier,)) as processes:
        # All wait for each other, so that each process takes one.
        pending = [processes.submit(train_trials, task, 1 / num_at_a_time, rank) for rank in range(num_at_a_time)]
        spans = [future.result() for future in pending]
    print(f"{num_at_a_time} at a time: {trials_an_hour(task, spans):,.0f} trials an hour", flush=True)
    return spans


def join(barrier: Barrier) -> None:
    """Keep the barrier for `train_trials`: a process gets such things at its start only."""
    global _barrier
    _barrier = barrier


def train_trials(task: Task, share: float, rank: int) -> Span:
    """The body of a process of `packed`."""
    try:
        torch.set_num_threads(1)
        GpuShare(task.device, share).enforce()
        shards = ShardSet.open(task.shards)
        frames = Frames.of_training(shards, torch.device(task.device))
        check = ReleaseCheck(task.device)
        train_whole(task, shards, frames, rank)
        check.release()
        _barrier.wait()
    except BaseException:
        _barrier.abort()
        raise
    started = time.monotonic()
    for number in range(1, 1 + task.num_trials):
        train_whole(task, shards, frames, 1000 * number + rank)
        check.release()
    return Span(started, time.monotonic(), peak_bytes(task.device))


def train_whole(task: Task, shards: ShardSet, frames: Frames, seed: int) -> None:
    for _ in Training(task.trial, shards, seed, task.device, frames=frames):
        pass


def peak_bytes(device: str) -> int:
    """What PyTorch took of the GPU at most, or the process of the machine's memory."""
    if device == "cuda":
        return torch.cuda.max_memory_reserved()
    return memory_bytes("VmHWM")


def trials_an_hour(task: Task, spans: list[Span]) -> float:
    wall_s = max(span.end_s for span in spans) - min(span.start_s for span in spans)
    return 3600 * len(spans) * task.num_trials / wall_s


def report(command: str, task: Task, steps: list[StepFigures], runs: dict[int, list[Span]]) -> str:
    rates = {num: trials_an_hour(task, spans) for num, spans in runs.items()}
    first = next(iter(rates.values()))
    gpu = {"GPU": torch.cuda.get_device_name(), "MPS": find_mps().state} if task.device == "cuda" else {}
    facts = {**gpu, **machine_facts("torch")}
    place = "GPU" if task.device == "cuda" else "machine"
    lines = [
        f"# Trials that share a {place}",
        "",
        f"`{command}`; " + ", ".join(f"{k} {v}" for k, v in facts.items()),
        "",
        f"A trial: {task.trial.model.kind}, batches of {task.trial.batch.size} x {task.trial.batch.crop_s:g} s, "
        f"{task.trial.budget_passes:g} passes (over {num_train(task)} utterances), 4 validations; "
        f"{task.num_trials} trials a process, after one that does not count.",
        "",
        f"| at a time | trials an hour | to {next(iter(rates))} at a time | peak memory a trial |",
        "|---|---|---|---|",
    ]
    for num, spans in runs.items():
        peak_gb = max(span.peak_bytes for span in spans) / 1e9
        lines.append(f"| {num} | {rates[num]:,.0f} | {rates[num] / first:.2f}x | {peak_gb:.2f} GB |")
    lines += [
        "",
        "Peak memory is what PyTorch took of the GPU, the CUDA context not counted."
        if task.device == "cuda"
        else "Peak memory is the process's own, libraries and all.",
        "",
        "One trial alone, a step:",
        "",
        "| execution | wall ms | GPU ms | kernels and copies | launch calls | operators | how |",
        "|---|---|---|---|---|---|---|",
        *map(step_row, steps),
        "",
        verdict(task, steps, rates),
    ]
    return "\n".join(lines) + "\n"


def step_row(step: StepFigures) -> str:
    has_gpu = step.num_kernels > 0
    gpu = f"{step.gpu_ms:.2f} | {step.num_kernels:.0f} | {step.num_launches:.0f}" if has_gpu else "- | - | -"
    return f"| {step.execution} | {step.wall_ms:.2f} | {gpu} | {step.num_operators:.0f} | {step.plan} |"


def verdict(task: Task, steps: list[StepFigures], rates: dict[int, float]) -> str:
    """What the figures say, in sentences."""
    first, best = next(iter(rates)), max(rates, key=lambda num: rates[num])
    packing = f"Best with {best} at a time: {rates[best] / rates[first]:.2f} times {first} at a time"
    if task.device == "cpu":
        return f"{packing}. No GPU here: neither kernels nor launches to speak of."
    bounds = []
    for step in steps:
        busy = step.gpu_ms / step.wall_ms
        bound = "arithmetic" if busy > ARITHMETIC_BOUND else "launches"
        bounds.append(f"{step.execution}, the GPU works {busy:.0%} of the step, which is bound by {bound}")
    rule = f"A step is called bound by arithmetic if the GPU works more than {ARITHMETIC_BOUND:.0%} of it"
    return f"{packing} (aim: at least 2). {'; '.join(bounds)}. {rule}."


def num_train(task: Task) -> int:
    index = ShardSet.open(task.shards).index
    return int(((index["split"] == "train") & (index["view"] == 0)).sum())


if __name__ == "__main__":
    main()
