"""Corpora of any size for benchmarks: the sample corpus that the project carries, many times over."""

import os
from pathlib import Path

import numpy as np
import soundfile

SAMPLE = Path(__file__).resolve().parent.parent / "data_prep" / "sample" / "LA"
_LISTS = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}
_SHARES = {"train": 0.5, "dev": 0.25, "eval": 0.25}


def make_corpus(root: Path, num_files: int, cut_s: float | None = None) -> Path:
    """An ASVspoof 2019 LA tree of ``num_files`` utterances, half of them bona fide.

    Files are hard links to one copy of each sample utterance, so that 20,000 take no more room than 300.

    Args:
        cut_s: length to which utterances are cut; none keeps them whole.
    """
    copies = {label: originals(root / "originals" / label, label, cut_s) for label in ("bonafide", "spoof")}
    protocols = root / "ASVspoof2019_LA_cm_protocols"
    protocols.mkdir(parents=True)
    for number, split in enumerate(_LISTS):
        folder = root / f"ASVspoof2019_LA_{split}" / "flac"
        folder.mkdir(parents=True)
        lines = []
        for i in range(round(num_files * _SHARES[split])):
            label = ("bonafide", "spoof")[i % 2]
            name, attack = f"LA_{split[0].upper()}_{i:07d}", "-" if label == "bonafide" else f"A{i // 2 % 3:02d}"
            os.link(copies[label][i // 2 % len(copies[label])], folder / f"{name}.flac")
            lines.append(f"LA_{number}{i % 20:03d} {name} - {attack} {label}\n")
        (protocols / f"ASVspoof2019.LA.cm.{_LISTS[split]}.txt").write_text("".join(lines))
    return root


def originals(folder: Path, label: str, cut_s: float | None, repeat: bool = False) -> list[Path]:
    """Copies in ``folder`` of the sample utterances of ``label``, cut to ``cut_s``.

    Args:
        repeat: those that are shorter start again until they last as long.
    """
    folder.mkdir(parents=True)
    copies = []
    for protocol in sorted((SAMPLE / "ASVspoof2019_LA_cm_protocols").iterdir()):
        split = protocol.name.split(".")[3]
        for line in protocol.read_text().splitlines():
            _, name, _, _, key = line.split()
            if key == label:
                source = SAMPLE / f"ASVspoof2019_LA_{split}" / "flac" / f"{name}.flac"
                copies.append(_copy(source, folder / source.name, cut_s, repeat))
    return copies


def _copy(source: Path, target: Path, cut_s: float | None, repeat: bool) -> Path:
    if cut_s is None:
        target.write_bytes(source.read_bytes())
    else:
        num_samples = round(cut_s * soundfile.info(source).samplerate)
        wave, rate = soundfile.read(source, frames=num_samples, dtype="int16")
        soundfile.write(target, np.resize(wave, num_samples) if repeat else wave, rate)
    return target
