"""A complete shard set of three views, written by the format's own writer."""

from pathlib import Path

import torch

from data_prep import shards
from data_prep.config import AugmentationConfig, FeaturesConfig
from data_prep.shards import Manifest, Row, ShardSet

FRAMES = torch.arange(4000, dtype=torch.float32).reshape(-1, 4).half()


def row(utterance_id: str, view: int = 0, label: str = "bonafide", offset: int = 0) -> Row:
    """A training view of 100 frames."""
    return {
        "utterance_id": utterance_id,
        "corpus": "",
        "view": view,
        "split": "train",
        "speaker": "s",
        "attack": "-" if label == "bonafide" else "A01",
        "label": label,
        "shard": 0,
        "offset": offset,
        "num_frames": 100,
        "duration_s": 1.0,
        "policy": "clean",
        "augmentation": "[]",
        "channel": "{}",
        "notes": "",
    }


ROWS = [row("a"), row("a", view=1, offset=100), row("b", label="spoof", offset=200)]


def write(folder: Path, features: FeaturesConfig | None = None) -> ShardSet:
    """A set of two shards, the second one empty, with one rejected utterance."""
    info = shards.write_frames(folder, 0, FRAMES)
    empty = shards.write_frames(folder, 1, FRAMES[:0])
    shards.write_index(folder, [shards.index_table(ROWS)])
    shards.write_rejected(folder, [{"utterance_id": "é", "split": "train", "file": "é.flac", "reason": "silent"}])
    summary = shards.Summary()
    summary.add(shards.index_table(ROWS))
    manifest = Manifest(
        format_version=shards.FORMAT_VERSION,
        shard_set_id="0123456789abcdef",
        layout="manifest",
        corpus_identity="f" * 64,
        convert=False,
        min_duration_s=0.1,
        max_duration_s=60.0,
        features=features or FeaturesConfig(),
        augmentation=AugmentationConfig(),
        seed=0,
        utterances_per_shard=256,
        splits=summary.splits,
        shards=(info, empty),
    )
    shards.write_manifest(folder, manifest)
    return ShardSet.open(folder)
