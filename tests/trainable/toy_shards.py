"""A small learnable shard set, written by the format's own writer."""

from pathlib import Path

import numpy as np
import torch

from data_prep import shards as shard_format
from data_prep.config import AugmentationConfig, FeaturesConfig
from data_prep.shards import ShardSet

NUM_BINS = 12
COUNTS = {"train": (12, 28), "dev": (8, 16), "eval": (6, 10)}
"""Bona fide and spoofed utterances of each split; two shards a split."""


def write_toy_shards(folder: Path, shard_set_id: str = "toy", num_views: int = 2) -> ShardSet:
    """Bona fide frames swing with a period of 4 frames, spoofed ones of 9, in noise; augmented views stand 10 higher
    for each view, each of a policy of its own.
    """
    rng = np.random.default_rng(0)
    rows, infos = [], []
    for split, (num_bonafide, num_spoof) in COUNTS.items():
        labels = ["bonafide"] * num_bonafide + ["spoof"] * num_spoof
        views = range(1 + num_views) if split == "train" else range(1)
        for half in (0, 1):
            frames: list[np.ndarray] = []
            offset = 0
            for i in range(half, len(labels), 2):
                for view in views:
                    frames.append(_frames(labels[i], view, rng))
                    rows.append(
                        _row(f"{split}-{i:03d}", split, labels[i], view, len(infos), offset, len(frames[-1]), i)
                    )
                    offset += len(frames[-1])
            tensor = torch.from_numpy(np.concatenate(frames)).half()
            infos.append(shard_format.write_frames(folder, len(infos), tensor))
    shard_format.write_index(folder, [shard_format.index_table(rows)])
    shard_format.write_rejected(folder, [])
    shard_format.write_manifest(folder, _manifest(shard_set_id, num_views, infos, rows))
    return ShardSet.open(folder)


def _frames(label: str, view: int, rng: np.random.Generator) -> np.ndarray:
    num_frames = int(rng.integers(20, 90))
    period = 4 if label == "bonafide" else 9
    wave = np.sin(2 * np.pi * (np.arange(num_frames) + rng.integers(9)) / period)[:, None]
    return wave * np.linspace(1, 2, NUM_BINS) + rng.normal(0, 0.5, (num_frames, NUM_BINS)) + 10 * view


def _row(name: str, split: str, label: str, view: int, shard: int, offset: int, num_frames: int, i: int) -> dict:
    return {
        "utterance_id": name,
        "corpus": "",
        "view": view,
        "split": split,
        "speaker": split,
        "attack": "-" if label == "bonafide" else f"A0{1 + i // 2 % 2}",
        "label": label,
        "shard": shard,
        "offset": offset,
        "num_frames": num_frames,
        "duration_s": num_frames / 100,
        "policy": f"policy{view}" if view else "clean",
        "augmentation": "[]",
        "channel": "{}",
        "notes": "",
    }


def _augmentation(num_views: int) -> AugmentationConfig:
    policies = {f"policy{view}": {"steps": [{"kind": "gain"}]} for view in range(1, 1 + num_views)}
    return AugmentationConfig.model_validate({"policies": policies})


def _manifest(shard_set_id: str, num_views: int, infos: list, rows: list) -> shard_format.Manifest:
    summary = shard_format.Summary()
    summary.add(shard_format.index_table(rows))
    return shard_format.Manifest(
        format_version=shard_format.FORMAT_VERSION,
        shard_set_id=shard_set_id,
        layout="manifest",
        corpus_identity="toy",
        convert=False,
        min_duration_s=0.1,
        max_duration_s=60.0,
        features=FeaturesConfig(kind="logmel", num_filters=NUM_BINS),
        augmentation=_augmentation(num_views),
        seed=0,
        utterances_per_shard=20,
        splits=summary.splits,
        shards=tuple(infos),
    )
