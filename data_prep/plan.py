"""How a corpus is cut into shards, and the identity of the result."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.augmentation.recordings import Folders, list_recordings, with_content_identity
from data_prep.config import PrepConfig
from data_prep.shards import FORMAT_VERSION
from data_prep.utterance import SPLITS, Corpus, Utterance

_SHARDS_OF_A_SMALL_SPLIT = 4
"""A split of few utterances still makes this many, so that workers share it and a killed run loses little."""


@dataclass(frozen=True)
class ShardPlan:
    """One shard: its bytes follow from this entry and the configuration alone."""

    number: int
    split: str
    utterances: tuple[Utterance, ...]


@dataclass(frozen=True)
class Conversions:
    """Outcome of the conversion step, by path in the corpus."""

    converted: Mapping[Path, Path]
    failed: Mapping[Path, str]
    """Reasons."""


@dataclass(frozen=True)
class Recipe:
    """What all shards of a set share. Paths are absolute, since workers have working directories of their own."""

    folder: Path
    """Where the shards go."""
    corpus: Corpus
    """Without its utterances, which travel with the plan."""
    config: PrepConfig
    recordings: Folders
    """Recorded noise and impulse responses."""
    conversions: Conversions


def plan_shards(utterances: Sequence[Utterance], utterances_per_shard: int) -> list[ShardPlan]:
    """Shards of at most ``utterances_per_shard``, each of one split, utterances in order of their ids."""
    plans: list[ShardPlan] = []
    for split in SPLITS:
        members = sorted((u for u in utterances if u.split == split), key=lambda u: u.utterance_id)
        size = max(1, min(utterances_per_shard, -(-len(members) // _SHARDS_OF_A_SMALL_SPLIT)))
        for start in range(0, len(members), size):
            plans.append(ShardPlan(len(plans), split, tuple(members[start : start + size])))
    return plans


def shard_set_id(config: PrepConfig, corpus: Corpus, base: Path = Path()) -> str:
    """16 hex digits over all that decides the bytes: corpus, decoding, features, augmentation, seed, shards, format.

    Args:
        base: where relative folders of recordings start.
    """
    augmentation = with_content_identity(config.augmentation, list_recordings(config.augmentation, base))
    facts = {
        "format_version": FORMAT_VERSION,
        "corpus": corpus.identity,
        "decoding": config.corpus.model_dump(mode="json", include={"convert", "min_duration_s", "max_duration_s"}),
        "features": config.features.model_dump(mode="json"),
        "augmentation": augmentation.model_dump(mode="json"),
        "seed": config.seed,
        "utterances_per_shard": config.utterances_per_shard,
    }
    # Keys in the order written: that of the policies numbers the views.
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
