"""Speech-like waves, miniature corpora and the configurations that prepare them."""

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from data_prep.config import AugmentationConfig, CorpusConfig, PrepConfig
from data_prep.ffmpeg import load_pydub

AUGMENTATION = AugmentationConfig.model_validate(
    {
        "policies": {
            "classic": {
                "steps": [
                    {"kind": "pitch", "probability": 0.5},
                    {"kind": "stretch", "probability": 0.5},
                    {"kind": "noise", "probability": 0.8},
                ]
            },
            "rawboost": {"steps": [{"kind": "rawboost"}]},
        }
    }
)
"""Two views, one a policy."""


def speech(seconds: float = 1.0, sample_rate: int = 16000, seed: int = 0) -> np.ndarray:
    """A harmonic tone with moving loudness and a little noise, ``[num_samples]`` float32, peak below 1."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    voice = sum(np.sin(2 * np.pi * (110 + 10 * seed) * k * t + k) / k for k in range(1, 8))
    wave = 0.2 * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)) + 0.01 * rng.standard_normal(len(t))
    return wave.astype(np.float32)


def mp3(path: Path, wave: np.ndarray, *options: str) -> Path:
    """Write a 16 kHz wave as MP3, with further ``options`` of ffmpeg."""
    _segment(wave).export(path, format="mp3", parameters=list(options)).close()
    return path


def aac(path: Path, wave: np.ndarray) -> Path:
    """Write a 16 kHz wave as AAC, which ffmpeg alone decodes."""
    _segment(wave).export(path, format="adts").close()
    return path


def _segment(wave: np.ndarray) -> Any:
    samples = (wave * 32767).astype("<i2").tobytes()
    return load_pydub()[0](data=samples, sample_width=2, frame_rate=16000, channels=1)


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation coefficient over the common length."""
    length = min(len(a), len(b))
    return float(np.corrcoef(a[:length], b[:length])[0, 1])


def make_la(root: Path, per_class: int = 3, seconds: float = 0.5, access: str = "LA") -> Path:
    """A miniature ASVspoof 2019 tree: ``per_class`` bona fide and as many spoofed utterances a split."""
    protocols = root / f"ASVspoof2019_{access}_cm_protocols"
    protocols.mkdir(parents=True)
    lists = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}
    for number, (split, name) in enumerate(lists.items()):
        folder = root / f"ASVspoof2019_{access}_{split}" / "flac"
        folder.mkdir(parents=True)
        lines = []
        for i in range(2 * per_class):
            utterance_id = f"{access}_{split[0].upper()}_{i:07d}"
            attack, key = ("-", "bonafide") if i < per_class else (f"A0{1 + i % 2}", "spoof")
            environment = "-" if access == "LA" else "aaa"
            lines.append(f"{access}_{number:04d} {utterance_id} {environment} {attack} {key}\n")
            soundfile.write(folder / f"{utterance_id}.flac", speech(seconds, seed=10 * number + i), 16000)
        (protocols / f"ASVspoof2019.{access}.cm.{name}.txt").write_text("".join(lines))
    return root


def prep_config(root: Path, **changes: object) -> PrepConfig:
    """Preparation of an LA corpus with two augmented views; ``convert``, durations and the like go to the corpus."""
    corpus_fields = set(CorpusConfig.model_fields) & set(changes)
    corpus = CorpusConfig.model_validate(
        {"layout": "asvspoof2019-la", "root": str(root)} | {name: changes.pop(name) for name in corpus_fields}
    )
    return PrepConfig.model_validate({"corpus": corpus, "augmentation": AUGMENTATION, "seed": 3} | changes)


def train_file(root: Path, number: int = 0) -> Path:
    """A training utterance of :func:`make_la`; numbers below ``per_class`` are bona fide."""
    return root / "ASVspoof2019_LA_train" / "flac" / f"LA_T_{number:07d}.flac"


def contents(folder: Path) -> dict[str, bytes]:
    """All files in ``folder`` and below, by their relative paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
