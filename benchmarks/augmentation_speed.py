"""How long each augmentation step takes, and a whole view from FLAC to LFCC, on one core.

    python benchmarks/augmentation_speed.py [--original FOLDER]

FOLDER is a copy of the RawBoost authors' repository (TakHemlata/RawBoost-antispoofing); its algorithms are then timed
beside ours, on the same wave. Processor time, so that other
work on the machine counts little: the fastest and the median of the repetitions.
"""

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import soundfile
import torch
from machine import machine_facts

from data_prep.augmentation.config import AugmentationConfig
from data_prep.augmentation.rawboost_config import RawBoostStep
from data_prep.augmentation.scene import Scene
from data_prep.augmentation.steps import Codec
from data_prep.augmentation.view import make_view
from data_prep.config import FeaturesConfig
from data_prep.decoding import Wave, decode
from data_prep.features import FrontEnd

NUM_SAMPLES, RATE = 64600, 16000
"""The length to which the field cuts its utterances, a little over 4 s."""
SAMPLE = Path(__file__).resolve().parent.parent / "data_prep" / "sample" / "LA"
PUBLISHED = RawBoostStep(kind="rawboost")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", type=Path, help="copy of the RawBoost authors' repository")
    parser.add_argument("--repetitions", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    facts = machine_facts("numpy", "scipy", "soundfile", "python-stretch", "g722", "torchaudio")
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print(f"\n| step, {NUM_SAMPLES} samples | fastest, CPU ms | median, CPU ms | x real time |\n|---|---|---|---|")
    wave_T = speech()
    for name, step in steps().items():
        report(name, timed(view_maker(wave_T, step), arguments.repetitions))
    if arguments.original:
        for number, call in original_algorithms(arguments.original, wave_T).items():
            report(f"original RawBoost {number}", timed(call, arguments.repetitions))
    report("noise + pitch + stretch, FLAC to LFCC", timed(whole_view(wave_T), arguments.repetitions))


def steps() -> dict[str, dict[str, Any]]:
    """What is timed, each always applied."""
    plain = ("noise", "reverb", "pitch", "stretch", "speed", "band", "gain", "clip", "trim_silence", "pad")
    return {
        **{kind: {"kind": kind} for kind in plain},
        **{f"rawboost {number}": {"kind": "rawboost", "algorithms": [number]} for number in range(1, 9)},
        **{f"codec {name}": {"kind": "codec", "codecs": [name]} for name in get_args(Codec)},
    }


def speech() -> Wave:
    """Utterances of the sample corpus, one after the other."""
    files = sorted(SAMPLE.glob("ASVspoof2019_LA_train/flac/*.flac"))[:8]
    return np.resize(np.concatenate([decode(file, RATE) for file in files]), NUM_SAMPLES)


def chain(*steps: dict[str, Any]) -> AugmentationConfig:
    return AugmentationConfig.model_validate({"policies": {"timed": {"steps": steps}}})


def view_maker(wave_T: Wave, step: dict[str, Any]) -> Callable[[int], object]:
    config = chain(step)
    return lambda number: make_view(wave_T, Scene(RATE), config, 0, str(number), 1)


def whole_view(wave_T: Wave) -> Callable[[int], object]:
    """Decoding, the three steps each always applied, and the features."""
    config, front_end = chain({"kind": "pitch"}, {"kind": "stretch"}, {"kind": "noise"}), FrontEnd(FeaturesConfig())
    path = Path(tempfile.mkdtemp()) / "timed.flac"
    soundfile.write(path, wave_T, RATE)

    def call(number: int) -> object:
        view = make_view(decode(path, RATE), Scene(RATE), config, 0, str(number), 1)
        with torch.inference_mode():
            return front_end(torch.from_numpy(view.wave)[None]).to(torch.float16)

    return call


def original_algorithms(folder: Path, wave_T: Wave) -> dict[int, Callable[[int], object]]:
    """The authors' functions, put together as their program does."""
    spec = importlib.util.spec_from_file_location("RawBoost", folder / "RawBoost.py")
    assert spec is not None
    assert spec.loader is not None
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    # Their program turns arrays of one element into integers, which NumPy refuses from 2.4 on.
    theirs.randRange = lambda low, high, whole: (int if whole else float)(np.random.uniform(low, high))
    p = PUBLISHED
    notches = (p.nBands, p.minF, p.maxF, p.minBW, p.maxBW, p.minCoeff, p.maxCoeff, p.minG, p.maxG)

    def lnl(x: Wave) -> Wave:
        return theirs.LnL_convolutive_noise(x, p.N_f, *notches, p.minBiasLinNonLin, p.maxBiasLinNonLin, RATE)

    def isd(x: Wave) -> Wave:
        return theirs.ISD_additive_noise(x, p.P, p.g_sd)

    def ssi(x: Wave) -> Wave:
        return theirs.SSI_additive_noise(x, p.SNRmin, p.SNRmax, *notches, RATE)

    return {
        1: lambda _: lnl(wave_T),
        2: lambda _: isd(wave_T),
        3: lambda _: ssi(wave_T),
        4: lambda _: ssi(isd(lnl(wave_T))),
        5: lambda _: isd(lnl(wave_T)),
        6: lambda _: ssi(lnl(wave_T)),
        7: lambda _: ssi(isd(wave_T)),
        8: lambda _: theirs.normWav(lnl(wave_T) + isd(wave_T), 0),
    }


def timed(call: Callable[[int], object], repetitions: int) -> list[float]:
    """Processor milliseconds of each repetition, after one that is not counted."""
    call(0)
    times = []
    for number in range(repetitions):
        started = time.process_time()
        call(number)
        times.append(1000 * (time.process_time() - started))
    return times


def report(name: str, times_ms: list[float]) -> None:
    fastest, median = min(times_ms), statistics.median(times_ms)
    print(f"| {name} | {fastest:.2f} | {median:.2f} | {1000 * NUM_SAMPLES / RATE / median:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
