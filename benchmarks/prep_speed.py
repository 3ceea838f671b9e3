"""Hours of audio a core-second, from FLAC files to stored features: lhotse, a torchaudio loader and spoofsweep.

One process, one thread. The same files and the same log-mel features (80 filters, 20 ms windows, 10 ms hop) for all:

- lhotse: ``CutSet.compute_and_store_features`` with torchaudio-compatible filter banks, its default writer;
- torchaudio: a ``DataLoader`` that computes ``MelSpectrogram`` on the fly, and stores nothing; with augmentation it
  shifts the pitch first: by ``functional.pitch_shift`` of one of eight shifts, which computes its resampling kernel at
  each call, or at its best by ``transforms.PitchShift`` of one of two shifts, whose kernels (1.4 GB) stand before the
  clock starts;
- spoofsweep: ``build_shard``, which checks the audio, and writes shards; with augmentation every file also gets a view
  with the pitch shifted by a drawn interval. The default features, LFCC with deltas, stand beside.

A view is what the augmented one takes alone: for spoofsweep the time beyond that of the clean views, for the loader,
which makes no other, all of its time.

    python benchmarks/prep_speed.py [--root FOLDER] [--files 300] [--repeats 3]
"""

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import soundfile
import torch
import torchaudio
from machine import machine_facts

from data_prep.config import PrepConfig
from data_prep.plan import Conversions, Recipe, ShardPlan
from data_prep.shard_builder import build_shard
from data_prep.utterance import Corpus, Utterance

SAMPLE = Path(__file__).resolve().parent.parent / "data_prep" / "sample" / "LA"
LOG_MEL = {"kind": "logmel", "num_filters": 80}
PITCH: list[dict[str, str]] = [{"kind": "pitch"}]
CHAIN = [*PITCH, {"kind": "stretch"}, {"kind": "noise"}]
CACHED_SHIFTS, SHIFTS = (-2, 2), (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0)
FILES_FOR_PITCH_SHIFT = 16
"""torchaudio's takes a good part of the time that the audio lasts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=SAMPLE, help="folder searched for FLAC files")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3, help="rounds over all variants; the fastest of each counts")
    parser.add_argument("--output", type=Path, default=Path("results/reference"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(arguments.root.rglob("*.flac"))
    files = random.Random(1).sample(files, min(arguments.files, len(files)))
    few = files[:FILES_FOR_PITCH_SHIFT]
    plain, called, cached = OnTheFly(files), OnTheFly(few, called_shifts()), OnTheFly(few, cached_shifts())
    variants: dict[str, Callable[[Path], None]] = {
        "lhotse": lambda folder: with_lhotse(files, folder),
        "torchaudio loader": lambda _: with_torchaudio(plain),
        "torchaudio loader, pitch_shift": lambda _: with_torchaudio(called),
        "torchaudio loader, PitchShift": lambda _: with_torchaudio(cached),
        "spoofsweep": lambda folder: with_spoofsweep(files, folder, LOG_MEL, []),
        "spoofsweep, LFCC": lambda folder: with_spoofsweep(files, folder, {}, []),
        "spoofsweep, clean and pitch": lambda folder: with_spoofsweep(files, folder, LOG_MEL, PITCH),
        "spoofsweep, clean and chain": lambda folder: with_spoofsweep(files, folder, LOG_MEL, CHAIN),
    }
    fastest = dict.fromkeys(variants, float("inf"))
    for _ in range(arguments.repeats):
        for name, run in variants.items():
            fastest[name] = min(fastest[name], timed(run))
            print(f"{name}: {fastest[name]:.2f} s", flush=True)
    text = report(fastest, seconds_of(files), seconds_of(few), len(files))
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "prep-speed.md").write_text(text)
    print(text)


def seconds_of(files: list[Path]) -> float:
    return sum(soundfile.info(path).duration for path in files)


def timed(run: Callable[[Path], None]) -> float:
    """CPU seconds of this process: with one thread, those of one core, whatever else the machine does."""
    folder = Path(tempfile.mkdtemp())
    started = time.process_time()
    try:
        run(folder)
        return time.process_time() - started
    finally:
        shutil.rmtree(folder)


def with_lhotse(files: list[Path], folder: Path) -> None:
    from lhotse import CutSet, Fbank, FbankConfig, Recording, RecordingSet

    recordings = RecordingSet.from_recordings(Recording.from_file(path) for path in files)
    extractor = Fbank(FbankConfig(sampling_rate=16000, frame_length=0.02, frame_shift=0.01, num_mel_bins=80))
    cuts = CutSet.from_manifests(recordings=recordings)
    cuts.compute_and_store_features(extractor, storage_path=folder / "features", num_jobs=1)


Shift = Callable[[torch.Tensor], torch.Tensor]


def called_shifts() -> list[Shift]:
    return [partial(torchaudio.functional.pitch_shift, sample_rate=16000, n_steps=steps) for steps in SHIFTS]


def cached_shifts() -> list[Shift]:
    shifts = [torchaudio.transforms.PitchShift(16000, steps) for steps in CACHED_SHIFTS]
    for shift in shifts:
        shift(torch.zeros(16000))  # computes its kernel
    return shifts


class OnTheFly(torch.utils.data.Dataset):
    """What a trial without shards computes for every utterance in every pass."""

    def __init__(self, files: list[Path], shifts: Sequence[Shift] = ()) -> None:
        self._files, self._shifts = files, shifts
        self._mel = torchaudio.transforms.MelSpectrogram(16000, n_fft=512, win_length=320, hop_length=160, n_mels=80)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> torch.Tensor:
        wave_T = torch.from_numpy(soundfile.read(self._files[number], dtype="float32")[0])
        if self._shifts:
            wave_T = self._shifts[number % len(self._shifts)](wave_T)
        return torch.log(self._mel(wave_T) + 1e-7)


@torch.inference_mode()
def with_torchaudio(dataset: OnTheFly) -> None:
    for _ in torch.utils.data.DataLoader(dataset, batch_size=1, shuffle=False):
        pass


def with_spoofsweep(files: list[Path], folder: Path, features: dict, steps: list[dict[str, str]]) -> None:
    policies = {"all": {"views": 1, "steps": steps}} if steps else {}
    config = PrepConfig.model_validate(
        {
            "corpus": {"layout": "folders", "root": str(files[0].parent)},
            "features": features,
            "augmentation": {"policies": policies},
        }
    )
    utterances = tuple(Utterance(path.stem, path, "train", "-", "-", "bonafide") for path in files)
    for number, plan in enumerate(in_shards(utterances, config.utterances_per_shard)):
        build_shard(ShardPlan(number, "train", plan), recipe(config, folder))


def in_shards(utterances: tuple[Utterance, ...], size: int) -> Iterator[tuple[Utterance, ...]]:
    for start in range(0, len(utterances), size):
        yield utterances[start : start + size]


def recipe(config: PrepConfig, folder: Path) -> Recipe:
    return Recipe(folder, Corpus("folders", folder, (), ()), config, {}, Conversions({}, {}))


def report(seconds: dict[str, float], audio_s: float, few_s: float, num_files: int) -> str:
    ours = seconds["spoofsweep"]
    times = {
        "lhotse": audio_s / seconds["lhotse"],
        "torchaudio loader": audio_s / seconds["torchaudio loader"],
        "spoofsweep": audio_s / ours,
        "spoofsweep, LFCC": audio_s / seconds["spoofsweep, LFCC"],
        "torchaudio loader, pitch_shift": few_s / seconds["torchaudio loader, pitch_shift"],
        "torchaudio loader, PitchShift": few_s / seconds["torchaudio loader, PitchShift"],
        "spoofsweep, a pitched view": audio_s / (seconds["spoofsweep, clean and pitch"] - ours),
        "spoofsweep, a view with pitch, stretch and noise": audio_s / (seconds["spoofsweep, clean and chain"] - ours),
    }
    peers = {
        "spoofsweep": ("lhotse", "torchaudio loader"),
        "spoofsweep, a pitched view": ("torchaudio loader, pitch_shift", "torchaudio loader, PitchShift"),
    }
    facts = ", ".join(f"{key} {value}" for key, value in machine_facts("torch", "torchaudio", "lhotse").items())
    lines = [
        "# Speed of preparation",
        "",
        f"`python benchmarks/prep_speed.py`; {facts}",
        "",
        (__doc__ or "").split("    python")[0].strip(),
        "",
        f"{num_files} files, {audio_s / 60:.1f} minutes of audio; CPU time of one core.",
        "",
        "| | x real time | hours a core-second | against its peer |",
        "|---|---|---|---|",
    ]
    for name, rate in times.items():
        ratios = ", ".join(f"{rate / times[peer]:,.3g}x {peer}" for peer in peers.get(name, ()))
        lines.append(f"| {name} | {rate:,.3g} | {rate / 3600:.3g} | {ratios} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
