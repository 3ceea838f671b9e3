"""The shard format: ragged float16 frames in safetensors files, a Parquet index of views, and a manifest.

Tensor names carry shapes: F frames of a shard, N feature bins.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pyarrow.parquet
import safetensors
import safetensors.torch
from torch import Tensor

from cluster.errors import SpoofsweepError
from cluster.settings import Settings, parse_settings
from data_prep.atomic import atomic_write_bytes, atomic_write_text
from data_prep.config import AugmentationConfig, FeaturesConfig

FORMAT_VERSION = 2
"""Raise it whenever the same configuration would give other bytes."""
MANIFEST, INDEX, REJECTED = "manifest.json", "index.parquet", "rejected.jsonl"
_FRAMES = "frames"

INDEX_SCHEMA = pyarrow.schema(
    [
        ("utterance_id", pyarrow.string()),
        ("corpus", pyarrow.string()),  # name among a study's corpora, empty if there is one
        ("view", pyarrow.int32()),  # 0 is clean
        ("split", pyarrow.string()),
        ("speaker", pyarrow.string()),
        ("attack", pyarrow.string()),
        ("label", pyarrow.string()),
        ("shard", pyarrow.int32()),
        ("offset", pyarrow.int64()),  # first frame inside the shard
        ("num_frames", pyarrow.int64()),
        ("duration_s", pyarrow.float64()),
        ("policy", pyarrow.string()),  # comma-joined names, "clean" for view 0
        ("augmentation", pyarrow.string()),  # JSON of the drawn values
        ("notes", pyarrow.string()),  # what decoding did, "; "-joined
    ]
)
Row = dict[str, Any]
"""One row of the index, keyed as ``INDEX_SCHEMA``."""


class ShardInfo(Settings):
    """One shard file."""

    file: str
    split: str
    num_views: int
    num_frames: int
    num_bytes: int
    sha256: str


class SplitSummary(Settings):
    """What a split holds."""

    bonafide: int
    """Utterances, views not counted."""
    spoof: int
    num_views: int
    """Clean and augmented views together."""
    hours: float
    """Of all views."""


class Manifest(Settings):
    """What a shard set is made of; written last, so its presence says that the set is complete."""

    format_version: int
    shard_set_id: str
    layout: str
    corpus_identity: str
    convert: bool
    min_duration_s: float
    max_duration_s: float
    features: FeaturesConfig
    augmentation: AugmentationConfig
    """A noise folder stands as the hash of its content."""
    seed: int
    utterances_per_shard: int
    num_bins: int
    num_rejected: int
    splits: dict[str, SplitSummary]
    shards: tuple[ShardInfo, ...]


@dataclass(frozen=True)
class ShardSet:
    """A complete shard set on disk."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path, expected_id: str | None = None, features: FeaturesConfig | None = None) -> "ShardSet":
        """Read the manifest of ``folder`` and check it against what the study expects.

        Args:
            expected_id: the shard set that the study needs; none accepts any.
            features: what the study asks for, to name the difference if the identity is another.

        Raises:
            SpoofsweepError: no complete set here, another format or identity, or a shard file of another size.
        """
        manifest = _read_manifest(folder)
        if expected_id is not None and manifest.shard_set_id != expected_id:
            raise SpoofsweepError(
                _mismatch(manifest, features),
                f"shard set {manifest.shard_set_id} in {folder}, the study needs {expected_id}",
                "run `spoofsweep prep STUDY`",
            )
        for shard in manifest.shards:
            path = folder / shard.file
            size = path.stat().st_size if path.is_file() else None
            if size != shard.num_bytes:
                raise SpoofsweepError(
                    f"shard {path} must have {shard.num_bytes} bytes",
                    "no such file" if size is None else f"{size} bytes",
                    f"remove {folder} and run `spoofsweep prep STUDY`",
                )
        return cls(folder, manifest)

    @property
    def shard_set_id(self) -> str:
        """Identity of the content."""
        return self.manifest.shard_set_id

    @cached_property
    def index(self) -> pandas.DataFrame:
        """One row a view, columns as in ``INDEX_SCHEMA``."""
        return pyarrow.parquet.read_table(self.folder / INDEX).to_pandas()

    def frames(self, shard: int) -> Tensor:
        """Frames ``[F, N]`` float16 of a shard, memory-mapped, to be read only.

        All readers on a machine share one copy in the page cache.
        """
        with safetensors.safe_open(self.folder / self.manifest.shards[shard].file, framework="pt") as file:
            return file.get_tensor(_FRAMES)

    @cached_property
    def rejected(self) -> list[dict[str, str]]:
        """Utterances that were set aside: id, split, file, reason."""
        return [json.loads(line) for line in (self.folder / REJECTED).read_text().splitlines()]


def is_complete(folder: Path) -> bool:
    """Whether ``folder`` holds a finished shard set."""
    return (folder / MANIFEST).is_file()


def shard_name(number: int) -> str:
    """File name of shard ``number``."""
    return f"shard-{number:05d}.safetensors"


def write_frames(folder: Path, number: int, split: str, frames_FN: Tensor, num_views: int) -> ShardInfo:
    """Write a shard file in one step; ``frames_FN`` is float16."""
    data = safetensors.torch.save({_FRAMES: frames_FN})
    atomic_write_bytes(folder / shard_name(number), data)
    return ShardInfo(
        file=shard_name(number),
        split=split,
        num_views=num_views,
        num_frames=frames_FN.shape[0],
        num_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def write_index(folder: Path, rows: Sequence[Row]) -> None:
    """Write the index; the same rows give the same bytes."""
    buffer = io.BytesIO()
    table = pyarrow.Table.from_pylist(list(rows), schema=INDEX_SCHEMA)
    pyarrow.parquet.write_table(table, buffer, compression="zstd")
    atomic_write_bytes(folder / INDEX, buffer.getvalue())


def write_rejected(folder: Path, rejected: Iterable[Mapping[str, str]]) -> None:
    """Write the list of utterances that were set aside, one JSON object a line."""
    lines = (json.dumps(dict(one), sort_keys=True, ensure_ascii=False) + "\n" for one in rejected)
    atomic_write_text(folder / REJECTED, "".join(lines))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Declare the shard set complete."""
    values = manifest.model_dump(mode="json")
    atomic_write_text(folder / MANIFEST, json.dumps(values, sort_keys=True, indent=2) + "\n")


def summarise(rows: Sequence[Row]) -> dict[str, SplitSummary]:
    """Counts and hours by split."""
    summaries = {}
    for split in dict.fromkeys(row["split"] for row in rows):
        of_split = [row for row in rows if row["split"] == split]
        clean = [row["label"] for row in of_split if row["view"] == 0]
        summaries[split] = SplitSummary(
            bonafide=clean.count("bonafide"),
            spoof=clean.count("spoof"),
            num_views=len(of_split),
            hours=round(sum(row["duration_s"] for row in of_split) / 3600, 6),
        )
    return summaries


def _read_manifest(folder: Path) -> Manifest:
    try:
        values = json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError:
        raise SpoofsweepError(
            "a finished shard set must be there", f"{folder} without {MANIFEST}", "run `spoofsweep prep STUDY`"
        ) from None
    except ValueError as error:
        raise SpoofsweepError(
            "the manifest must be JSON", f"{folder / MANIFEST} ({error})", "run prep again"
        ) from error
    version = values.get("format_version") if isinstance(values, dict) else None
    if version != FORMAT_VERSION:
        raise SpoofsweepError(f"shards must be of format {FORMAT_VERSION}", version, "run `spoofsweep prep STUDY`")
    return parse_settings(Manifest, values, str(folder / MANIFEST))


def _mismatch(manifest: Manifest, features: FeaturesConfig | None) -> str:
    if features is None or features == manifest.features:
        return "shards must be built from the study's own corpus, augmentation and seed"
    built, asked = manifest.features.model_dump(), features.model_dump()
    differing = ", ".join(
        f"{key} {built[key]} (the study asks {asked[key]})" for key in built if built[key] != asked[key]
    )
    return f"shards {manifest.shard_set_id} were built with {differing}"
