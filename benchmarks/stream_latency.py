"""The streaming detector beside silero-vad, a voice activity detector for streams, both by ONNX Runtime on one core.

    python benchmarks/stream_latency.py [--model FOLDER]

FOLDER is an exported detector, best with int8/ below it as `spoofsweep parity` leaves it; without, an edge_gru of the
default size is exported, whose weights are random: they do not change the time. Raw samples of real speech in, states
carried, everything that a caller does included. Chunks are 0.1 s for the detector, and 512 samples (32 ms) for
silero-vad, as it asks for; its times are also given for 0.1 s, that is 3.125 times its own. Rounds take turns, so that
whatever else the machine does falls on all alike.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnxruntime
from fresh_detector import write_fresh_stream
from machine import machine_facts, parse_arguments

from data_prep.atomic import atomic_write_text
from data_prep.decoding import decode
from data_prep.features_config import FeaturesConfig
from deploy.compress.quantise import quantise
from deploy.stream.detector import Detector
from deploy.stream.samples import Wave

SPEECH = Path(__file__).resolve().parents[1] / "data_prep" / "sample" / "LA" / "ASVspoof2019_LA_dev" / "flac"
RATE = 16_000
CHUNK = RATE // 10
SILERO_CHUNK, SILERO_CONTEXT, SILERO_STATE = 512, 64, (2, 1, 128)
"""Samples, samples of the chunk before, and shape of the state, at 16 kHz."""
PLACES = {"float32": ".", "int8": "int8", "int8 weights": "int8-weights", "pruned, int8": "pruned/int8"}
"""Where files lie below an exported detector's folder."""
AIMS = "p99 at most 0.25 ms per 100 ms, at least 1,500x real time, at most 300 kB"


@dataclass
class Contestant:
    """A stream that takes chunks of one length."""

    name: str
    num_bytes: int
    chunk: int
    feed: Callable[[Wave], object]
    times_ms: list[float]

    def run(self, wave_T: Wave) -> None:
        for first in range(0, len(wave_T) - self.chunk + 1, self.chunk):
            part_T = wave_T[first : first + self.chunk]
            start_s = time.perf_counter()
            self.feed(part_T)
            self.times_ms.append(1000 * (time.perf_counter() - start_s))

    def figures(self) -> dict[str, float]:
        """Of 0.1 s of audio; the real-time factor is of the total time, not of the median."""
        share = CHUNK / self.chunk
        p50_ms, p99_ms = np.quantile(self.times_ms, (0.5, 0.99))
        audio_s = len(self.times_ms) * self.chunk / RATE
        times = 1000 * audio_s / sum(self.times_ms)
        return {"p50": share * p50_ms, "p99": share * p99_ms, "times": times, "kB": self.num_bytes / 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of an exported detector")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=2.0, help="audio a round")
    parser.add_argument("--output", type=Path, default=Path("results/reference/stream-latency.md"))
    arguments = parse_arguments(parser)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    wave_T = speech(arguments.minutes)
    with tempfile.TemporaryDirectory() as scratch:
        contestants = [*detectors(arguments.model or exported(Path(scratch), wave_T)), silero()]
        for contestant in contestants:
            contestant.run(wave_T[: 10 * RATE])
            contestant.times_ms.clear()
        for _ in range(arguments.rounds):
            for contestant in contestants:
                contestant.run(wave_T)
    text = page(contestants, arguments)
    print(text)
    atomic_write_text(arguments.output, text)


def speech(minutes: float) -> Wave:
    """The sample corpus, over and over."""
    wave_T = np.concatenate([decode(path, RATE) for path in sorted(SPEECH.glob("*.flac"))])
    return np.resize(wave_T, int(60 * minutes * RATE))


def exported(folder: Path, wave_T: Wave) -> Path:
    """A stream form of default size, in float32 and in eight bits."""
    write_fresh_stream(folder / "stream.onnx", FeaturesConfig(kind="logmel"))
    pieces = np.array_split(wave_T[: 60 * RATE], 20)
    for name, weights_only in (("int8", False), ("int8-weights", True)):
        quantise(folder / "stream.onnx", folder / name / "stream.onnx", pieces[:-2], pieces[-2:], weights_only)
    return folder


def detectors(folder: Path) -> Iterator[Contestant]:
    """Those that lie in the folder."""
    for name, place in PLACES.items():
        path = folder / place / "stream.onnx"
        if path.is_file():
            detector = Detector.load(path)
            label = f"{detector.card.architecture}, {name}"
            yield Contestant(label, path.stat().st_size, CHUNK, detector.stream().feed, [])


def silero() -> Contestant:
    """silero-vad as its own wrapper runs it, without torch."""
    path = Path(str(files("silero_vad"))) / "data" / "silero_vad.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    carried = {"state": np.zeros(SILERO_STATE, np.float32), "context": np.zeros(SILERO_CONTEXT, np.float32)}
    rate = np.array(RATE, np.int64)

    def feed(part_T: Wave) -> object:
        joined_BT = np.concatenate((carried["context"], part_T))[None]
        score, carried["state"] = session.run(None, {"input": joined_BT, "state": carried["state"], "sr": rate})
        carried["context"] = part_T[-SILERO_CONTEXT:]
        return score

    return Contestant("silero-vad", path.stat().st_size, SILERO_CHUNK, feed, [])


def page(contestants: list[Contestant], arguments: argparse.Namespace) -> str:
    """The figures as Markdown."""
    facts = ", ".join(f"{name} {value}" for name, value in machine_facts("onnxruntime", "silero-vad", "numpy").items())
    peer = contestants[-1].figures()
    lines = [
        "# Streaming detector beside silero-vad",
        "",
        f"`{arguments.command}`: {facts}.",
        f"One core; {arguments.rounds} rounds of {arguments.minutes:g} minutes of speech, in turns; times for",
        "0.1 s of audio, raw samples in, everything that a caller does included.",
        "",
        "| | p50 ms | p99 ms | x real time | kB | time, of silero-vad's |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for contestant in contestants:
        own = contestant.figures()
        cells = f"{own['p50']:.3f} | {own['p99']:.3f} | {own['times']:,.0f} | {own['kB']:.0f}"
        lines.append(f"| {contestant.name} | {cells} | {peer['times'] / own['times']:.2f} |")
    lines += ["", f"Aimed at: {AIMS}. silero-vad takes 512 samples at a time; its times are scaled to 0.1 s.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
