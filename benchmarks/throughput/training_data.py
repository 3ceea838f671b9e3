"""One training split in every form that a training pipeline reads: FLAC and .npy files, tar and litdata chunks, shards.

All forms hold the same utterances: those of the sample corpus, brought to one length, under as many names as are asked
for, both classes in turn. FLAC and .npy files are hard links to one copy each; the rest is written in full.

Tensor names carry shapes: K utterances of the sample corpus, T samples, F frames, N feature bins.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
import torch
from corpus_files import originals
from numpy.typing import NDArray

from data_prep import shards
from data_prep.config import AugmentationConfig, FeaturesConfig
from data_prep.features import FrontEnd
from data_prep.shards import Manifest, Row, ShardInfo, ShardSet

LABELS = ("bonafide", "spoof")
"""Of an utterance by the parity of its number; the class of a training is 1 for bona fide."""
_UTTERANCES_PER_SHARD = 256
_DEV_UTTERANCES = 64
_CHUNK_BYTES = 64_000_000
"""What litdata advises for small samples."""
_FILES_A_WORKER = 4
"""At least as many tars and chunks, so that all workers have work."""


@dataclass(frozen=True)
class TrainingData:
    """Where the forms lie; made by `make_training_data`."""

    folder: Path
    num_utterances: int
    duration_s: float
    features: FeaturesConfig

    def reference(self) -> NDArray[np.float16]:
        """Features ``[K, F, N]`` of the utterances that all others repeat: number ``u`` is row ``u % K``."""
        return np.load(self.folder / "originals.npy", mmap_mode="r")

    def files(self, kind: str) -> list[Path]:
        """The ``flac`` or ``npy`` files, by number."""
        return [self.folder / kind / f"{number:07d}.{kind}" for number in range(self.num_utterances)]

    def shuffled(self) -> NDArray[np.int64]:
        """The order in which tars and chunks are written, as both libraries advise."""
        return np.random.default_rng(0).permutation(self.num_utterances)

    def open_shards(self) -> ShardSet:
        """The shards, as a trial reads them."""
        return ShardSet.open(self.folder / "shards")


def label_of(number: int) -> int:
    """Class of an utterance: 1 bona fide, 0 spoof."""
    return int(LABELS[number % 2] == "bonafide")


def make_training_data(folder: Path, num_utterances: int, duration_s: float, num_workers: int) -> TrainingData:
    """Write every form below ``folder``; tars and chunks only where their library is installed."""
    data = TrainingData(folder, num_utterances, duration_s, FeaturesConfig())
    copies = [originals(folder / "originals" / label, label, duration_s, repeat=True) for label in LABELS]
    sources = [path for pair in zip(*copies, strict=False) for path in pair]
    features_KFN = _extract(sources, data.features)
    np.save(folder / "originals.npy", features_KFN)
    _link(data, "flac", sources)
    _link(data, "npy", [_save(folder / "originals" / f"{k}.npy", feat_FN) for k, feat_FN in enumerate(features_KFN)])
    _write_shards(data, features_KFN)
    if find_spec("webdataset"):
        _write_tars(data, features_KFN, num_workers)
    if find_spec("litdata"):
        _write_chunks(data, features_KFN.nbytes // len(features_KFN), num_workers)
    return data


def _extract(sources: list[Path], config: FeaturesConfig) -> NDArray[np.float16]:
    front_end = FrontEnd(config)
    with torch.inference_mode():
        waves = (torch.from_numpy(soundfile.read(path, dtype="float32")[0]) for path in sources)
        return torch.cat([front_end(wave_T[None]) for wave_T in waves]).half().numpy()


def _save(path: Path, feat_FN: NDArray[np.float16]) -> Path:
    np.save(path, feat_FN)
    return path


def _link(data: TrainingData, kind: str, sources: list[Path]) -> None:
    (data.folder / kind).mkdir()
    for number, path in enumerate(data.files(kind)):
        os.link(sources[number % len(sources)], path)


def _write_shards(data: TrainingData, features_KFN: NDArray[np.float16]) -> None:
    """By the format's own writer, which runs without Ray."""
    folder, infos, rows = data.folder / "shards", list[ShardInfo](), list[Row]()
    folder.mkdir()
    for split, numbers in _shard_plan(data.num_utterances):
        frames_FN = torch.from_numpy(features_KFN[numbers % len(features_KFN)].reshape(-1, features_KFN.shape[-1]))
        num_frames = features_KFN.shape[1]
        rows += [
            _row(data, split, int(n), len(infos), place * num_frames, num_frames) for place, n in enumerate(numbers)
        ]
        infos.append(shards.write_frames(folder, len(infos), frames_FN))
    table, summary = shards.index_table(rows), shards.Summary()
    summary.add(table)
    shards.write_index(folder, [table])
    shards.write_rejected(folder, [])
    manifest = Manifest(
        format_version=shards.FORMAT_VERSION,
        shard_set_id="throughput",
        layout="folders",
        corpus_identity="sample",
        convert=False,
        min_duration_s=0.1,
        max_duration_s=60.0,
        features=data.features,
        augmentation=AugmentationConfig(),
        seed=0,
        utterances_per_shard=_UTTERANCES_PER_SHARD,
        splits=summary.splits,
        shards=tuple(infos),
    )
    shards.write_manifest(folder, manifest)


def _shard_plan(num_utterances: int) -> Iterator[tuple[str, NDArray[np.int64]]]:
    for first in range(0, num_utterances, _UTTERANCES_PER_SHARD):
        yield "train", np.arange(first, min(first + _UTTERANCES_PER_SHARD, num_utterances))
    yield "dev", np.arange(_DEV_UTTERANCES)


def _row(data: TrainingData, split: str, number: int, shard: int, offset: int, num_frames: int) -> Row:
    label = LABELS[number % 2]
    facts = {"utterance_id": f"{split}-{number:07d}", "corpus": "", "view": 0, "split": split, "speaker": split}
    place = {"shard": shard, "offset": offset, "num_frames": num_frames, "duration_s": data.duration_s}
    label_facts = {"label": label, "attack": "-" if label == "bonafide" else "A01"}
    return facts | place | label_facts | {"policy": "clean", "augmentation": "[]", "channel": "{}", "notes": ""}


def _write_tars(data: TrainingData, features_KFN: NDArray[np.float16], num_workers: int) -> None:
    import webdataset

    (data.folder / "tar").mkdir()
    most = max(1, data.num_utterances // (_FILES_A_WORKER * num_workers))
    with webdataset.ShardWriter(f"{data.folder}/tar/%05d.tar", maxcount=most, verbose=False) as writer:
        for number in data.shuffled():
            feat_FN = features_KFN[number % len(features_KFN)]
            writer.write({"__key__": f"{number:07d}", "npy": feat_FN, "cls": label_of(number)})


def _write_chunks(data: TrainingData, utterance_bytes: int, num_workers: int) -> None:
    import litdata

    most = data.num_utterances * utterance_bytes // (_FILES_A_WORKER * num_workers)
    litdata.optimize(
        fn=partial(_chunk_item, data),
        inputs=data.shuffled().tolist(),
        output_dir=str(data.folder / "litdata"),
        chunk_bytes=min(_CHUNK_BYTES, most),
        num_workers=num_workers,
        start_method="fork",  # seconds faster than new processes
        verbose=False,
    )


def _chunk_item(data: TrainingData, number: int) -> dict[str, object]:
    reference_KFN = data.reference()
    return {"features": np.array(reference_KFN[number % len(reference_KFN)]), "label": label_of(number)}
