"""How long each augmentation step takes, and a whole view from FLAC to LFCC, on one core, with peers beside it.

    python benchmarks/augmentation_speed.py [--original FOLDER]

Ours is a whole view: generator, step, check of full scale. Peers get the same wave: audiomentations
and torchaudio where they have the step (torchaudio for one shift and one speed, whose resampling kernels stand before
the clock starts), the RawBoost authors' program where FOLDER is a copy of their repository
(TakHemlata/RawBoost-antispoofing). Processor time, so that other work on the machine counts little: the fastest and the
median of the repetitions, and the peer's median over ours.
"""

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import audiomentations as am
import numpy as np
import soundfile
import torch
import torchaudio.functional as taf
import torchaudio.transforms as ta
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
Call = Callable[[int], object]
PUBLISHED = RawBoostStep(kind="rawboost")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", type=Path, help="copy of the RawBoost authors' repository")
    parser.add_argument("--repetitions", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    facts = machine_facts(
        "numpy", "scipy", "soundfile", "python-stretch", "g722", "torchaudio", "audiomentations", "torch"
    )
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print(f"\n| step, {NUM_SAMPLES} samples | fastest, CPU ms | median, CPU ms | x real time | times as fast as |")
    print("|---|---|---|---|---|")
    wave_T = speech()
    rivals = peers(wave_T) | (original_algorithms(arguments.original, wave_T) if arguments.original else {})
    for name, step in steps().items():
        times_ms = timed(view_maker(wave_T, step), arguments.repetitions)
        theirs = {peer: timed(call, arguments.repetitions) for peer, call in rivals.get(name, {}).items()}
        report(name, times_ms, theirs)
    with tempfile.TemporaryDirectory() as folder:
        view = whole_view(wave_T, Path(folder) / "timed.flac")
        report("noise + pitch + stretch, FLAC to LFCC", timed(view, arguments.repetitions), {})


def steps() -> dict[str, dict[str, Any]]:
    """What is timed, each always applied."""
    plain = ("noise", "reverb", "pitch", "stretch", "speed", "band", "gain", "clip", "trim_silence", "pad")
    return {
        "white noise": {"kind": "noise", "colours": ["white"]},
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


def view_maker(wave_T: Wave, step: dict[str, Any]) -> Call:
    config = chain(step)
    return lambda number: make_view(wave_T, Scene(RATE), config, 0, str(number), 1)


def peers(wave_T: Wave) -> dict[str, dict[str, Call]]:
    """The same steps by others, each always applied with our ranges, or the middle of them; by step and peer."""
    tensor_T = torch.from_numpy(wave_T)
    snr_db = torch.tensor(15.0)
    spectrum, inverse = ta.Spectrogram(512, power=None), ta.InverseSpectrogram(512)
    stretch = ta.TimeStretch(hop_length=256, n_freq=257, fixed_rate=1.1)
    theirs: dict[str, tuple[Callable[[Wave, int], object] | None, Callable[[torch.Tensor], object] | None]] = {
        "white noise": (am.AddGaussianSNR(5, 25, p=1), lambda x: taf.add_noise(x, torch.randn(NUM_SAMPLES), snr_db)),
        "noise": (am.AddColorNoise(5, 25, p=1), None),
        "pitch": (am.PitchShift(-2, 2, p=1), ta.PitchShift(RATE, 2)),
        "stretch": (
            am.TimeStretch(0.9, 1.1, leave_length_unchanged=False, p=1),
            lambda x: inverse(stretch(spectrum(x))),
        ),
        "speed": (None, ta.Speed(RATE, 1.1)),
        "gain": (am.Gain(-10, 6, p=1), ta.Vol(-2.0, "db")),
        "clip": (am.ClippingDistortion(0, 5, p=1), None),
    }
    return {
        name: {
            **({"audiomentations": lambda _, one=one: one(wave_T, RATE)} if one else {}),
            **({"torchaudio": lambda _, other=other: other(tensor_T)} if other else {}),
        }
        for name, (one, other) in theirs.items()
    }


def whole_view(wave_T: Wave, path: Path) -> Call:
    """Decoding, the three steps each always applied, and the features."""
    config, front_end = chain({"kind": "pitch"}, {"kind": "stretch"}, {"kind": "noise"}), FrontEnd(FeaturesConfig())
    soundfile.write(path, wave_T, RATE)

    def call(number: int) -> object:
        view = make_view(decode(path, RATE), Scene(RATE), config, 0, str(number), 1)
        with torch.inference_mode():
            return front_end(torch.from_numpy(view.wave)[None]).to(torch.float16)

    return call


def original_algorithms(folder: Path, wave_T: Wave) -> dict[str, dict[str, Call]]:
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

    algorithms: dict[int, Call] = {
        1: lambda _: lnl(wave_T),
        2: lambda _: isd(wave_T),
        3: lambda _: ssi(wave_T),
        4: lambda _: ssi(isd(lnl(wave_T))),
        5: lambda _: isd(lnl(wave_T)),
        6: lambda _: ssi(lnl(wave_T)),
        7: lambda _: ssi(isd(wave_T)),
        8: lambda _: theirs.normWav(lnl(wave_T) + isd(wave_T), 0),
    }
    return {f"rawboost {number}": {"the authors": call} for number, call in algorithms.items()}


def timed(call: Call, repetitions: int) -> list[float]:
    """Processor milliseconds of each repetition, after one that is not counted."""
    call(0)
    times = []
    for number in range(repetitions):
        started = time.process_time()
        call(number)
        times.append(1000 * (time.process_time() - started))
    return times


def report(name: str, times_ms: list[float], theirs_ms: dict[str, list[float]]) -> None:
    fastest, median = min(times_ms), statistics.median(times_ms)
    ratios = ", ".join(f"{peer} {statistics.median(theirs) / median:.2g}" for peer, theirs in theirs_ms.items())
    rate = 1000 * NUM_SAMPLES / RATE / median
    print(f"| {name} | {fastest:.2f} | {median:.2f} | {rate:,.0f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
