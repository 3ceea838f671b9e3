"""How many seconds of audio a core turns into features a second, kind by kind, with librosa and torchaudio beside it.

    python benchmarks/feature_speed.py [--output results/reference]

Utterances of the sample corpus, one at a time as `spoofsweep prep` takes them, and one minute in one piece. One thread,
processor time, the best of the rounds; all systems take turns within a round. Peers compute the same feature with the
same windows where they have it, but for this: both take decibels for their cepstra, with a floor 80 dB below the
loudest, and count frames by the length of the transform, which makes one or two fewer; librosa resamples between
octaves of its constant-Q transform.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import librosa
import numpy as np
import soundfile
import torch
import torchaudio.transforms as ta
from machine import machine_facts
from torch import Tensor, nn

from data_prep.config import FeaturesConfig
from data_prep.features import FrontEnd

CORPUS = Path(__file__).parents[1] / "data_prep" / "sample" / "LA"
STFT: dict[str, Any] = {"n_fft": 512, "win_length": 320, "hop_length": 160, "center": False}
LIBROSA_STFT = STFT | {"window": "hamming"}
TORCHAUDIO_STFT = STFT | {"window_fn": torch.hamming_window}
Extract = Callable[[Tensor], object]
Systems = dict[str, Extract]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="folder for feature-speed.md; else it is only printed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    waves = [torch.from_numpy(soundfile.read(path, dtype="float32")[0]) for path in sorted(CORPUS.rglob("*.flac"))[:60]]
    minute = torch.cat(waves).repeat(2)[: 60 * 16000]
    with torch.inference_mode():
        utterances = {name: measure(systems, waves, arguments.rounds) for name, systems in features().items()}
        pieces = {name: measure(systems, [minute], arguments.rounds) for name, systems in features().items()}
    text = report(waves, utterances, pieces)
    print(text)
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        (arguments.output / "feature-speed.md").write_text(text)


def features() -> dict[str, Systems]:
    """Systems by feature; ``spoofsweep`` is among each."""
    lfcc_2021 = {"window_ms": 30, "hop_ms": 15, "fft_size": 1024, "num_filters": 70, "high_hz": 4000}
    mel = {"n_mels": 60, "norm": None}
    lfcc = ta.LFCC(n_filter=20, n_lfcc=20, speckwargs=TORCHAUDIO_STFT)
    stft_2021 = TORCHAUDIO_STFT | {"n_fft": 1024, "win_length": 480, "hop_length": 240}
    finer = ta.LFCC(n_filter=70, n_lfcc=20, f_max=4000.0, speckwargs=stft_2021)
    mfcc = ta.MFCC(n_mfcc=20, melkwargs=TORCHAUDIO_STFT | {"n_mels": 40})
    derive = ta.ComputeDeltas(win_length=3)
    return {
        "LFCC 2019, deltas": {
            "spoofsweep": ours(),
            "torchaudio": lambda wave: stacked(lfcc, derive, wave),
        },
        "LFCC 2021, deltas": {
            "spoofsweep": ours(**lfcc_2021),
            "torchaudio": lambda wave: stacked(finer, derive, wave),
        },
        "LFCC 2019, deltas, utterance CMVN": {"spoofsweep": ours(cmvn="utterance")},
        "MFCC 40 filters, deltas": {
            "spoofsweep": ours(kind="mfcc", num_filters=40),
            "torchaudio": lambda wave: stacked(mfcc, derive, wave),
            "librosa": librosa_mfcc,
        },
        "log-mel 60": {
            "spoofsweep": ours(kind="logmel", num_filters=60),
            "torchaudio": logarithm(ta.MelSpectrogram(**TORCHAUDIO_STFT | mel)),
            "librosa": lambda wave: np.log(
                librosa.feature.melspectrogram(y=wave.numpy(), sr=16000, **LIBROSA_STFT | mel) + 1e-7
            ),
        },
        "log power spectrogram": {
            "spoofsweep": ours(kind="logspec"),
            "torchaudio": logarithm(ta.Spectrogram(**TORCHAUDIO_STFT)),
            "librosa": lambda wave: np.log(np.abs(librosa.stft(wave.numpy(), **LIBROSA_STFT)) ** 2 + 1e-8),
        },
        "CQT, 168 bins": {
            "spoofsweep": ours(kind="cqt"),
            "librosa": lambda wave: np.log(np.abs(librosa_vqt(wave)) ** 2 + 1e-10),
        },
        "CQCC 2021, deltas": {"spoofsweep": ours(kind="cqcc")},
    }


def ours(**settings: Any) -> Extract:
    front_end = FrontEnd(FeaturesConfig.model_validate(settings))
    return lambda wave: front_end(wave[None])


def stacked(static: nn.Module, derive: nn.Module, wave: Tensor) -> Tensor:
    first = static(wave)
    second = derive(first)
    return torch.cat([first, second, derive(second)])


def logarithm(spectrum: nn.Module) -> Extract:
    return lambda wave: torch.log(spectrum(wave) + 1e-7)


def librosa_mfcc(wave: Tensor) -> np.ndarray:
    static = librosa.feature.mfcc(y=wave.numpy(), sr=16000, n_mfcc=20, n_mels=40, **LIBROSA_STFT)
    return np.concatenate([static, *(librosa.feature.delta(static, width=3, order=order) for order in (1, 2))])


def librosa_vqt(wave: Tensor) -> np.ndarray:
    return librosa.vqt(wave.numpy(), sr=16000, hop_length=160, fmin=62.5, n_bins=168, bins_per_octave=24, gamma=None)


def measure(systems: Systems, waves: list[Tensor], rounds: int) -> dict[str, float]:
    """Seconds of audio a second of processor time, by system."""
    audio_s = sum(len(wave) for wave in waves) / 16000
    best_s = dict.fromkeys(systems, float("inf"))
    for extract in systems.values():
        extract(waves[0])  # librosa compiles at the first call
    for _ in range(rounds):
        for name, extract in systems.items():
            started = time.process_time()
            for wave in waves:
                extract(wave)
            best_s[name] = min(best_s[name], time.process_time() - started)
    return {name: audio_s / seconds for name, seconds in best_s.items()}


def report(waves: list[Tensor], utterances: dict[str, dict[str, float]], pieces: dict[str, dict[str, float]]) -> str:
    mean_s = sum(len(wave) for wave in waves) / 16000 / len(waves)
    lines = [
        "# Features: seconds of audio a core-second",
        "",
        *(f"- {name}: {value}" for name, value in machine_facts("torch", "torchaudio", "librosa", "numpy").items()),
        "",
        f"{len(waves)} utterances of {mean_s:.1f} s on average, one at a time; and one minute in one piece.",
        "In brackets: how many times as fast spoofsweep is.",
        "",
        "| feature | spoofsweep | torchaudio | librosa | spoofsweep, a minute | torchaudio | librosa |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in utterances:
        lines.append(f"| {name} | {' | '.join([*cells(utterances[name]), *cells(pieces[name])])} |")
    return "\n".join(lines) + "\n"


def cells(speeds: dict[str, float]) -> list[str]:
    own = speeds["spoofsweep"]
    peers = (speeds.get(peer) for peer in ("torchaudio", "librosa"))
    return [f"{own:,.0f}", *("-" if speed is None else f"{speed:,.0f} ({own / speed:.1f})" for speed in peers)]


if __name__ == "__main__":
    main()
