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
from typing import Any, BinaryIO

import pandas
import pyarrow
import pyarrow.compute
import pyarrow.parquet
import safetensors
import safetensors.torch
from torch import Tensor

from cluster.errors import SpoofsweepError
from cluster.settings import Settings, parse_settings
from data_prep.atomic import atomic_write, atomic_write_bytes, atomic_write_text
from data_prep.config import AugmentationConfig, FeaturesConfig
from data_prep.remote_files import fetch, folder_sizes, is_remote
from data_prep.utterance import LABELS

FORMAT_VERSION = 3
"""Raise it whenever the same configuration would give other bytes."""
MANIFEST, INDEX, REJECTED = "manifest.json", "index.parquet", "rejected.jsonl"
_FRAMES = "frames"
_ROWS_A_GROUP = 1 << 16
"""Rows of a row group of the index: what is in memory at a time while it is written."""

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
        ("policy", pyarrow.string()),  # its name in the study, "clean" for view 0
        ("augmentation", pyarrow.string()),  # JSON list of the steps applied, with the drawn values
        ("channel", pyarrow.string()),  # JSON object: what the protocol tells about codec, environment and the like
        ("notes", pyarrow.string()),  # what decoding did, "; "-joined
    ]
)
Row = dict[str, Any]
"""One row of the index, keyed as ``INDEX_SCHEMA``."""


class ShardInfo(Settings):
    """One shard file."""

    file: str
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
    """A folder of recordings stands as the hash that ``with_content_identity`` makes of its files."""
    seed: int
    utterances_per_shard: int
    splits: dict[str, SplitSummary]
    shards: tuple[ShardInfo, ...]


@dataclass(frozen=True)
class ShardSet:
    """A complete shard set, on disk or in an object store."""

    folder: Path
    """Where the set is kept; frames of a remote one are read from the node's own copy (see ``shard_cache``)."""
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
        sizes = folder_sizes(folder)
        for shard in manifest.shards:
            size = sizes.get(shard.file)
            if size != shard.num_bytes:
                raise SpoofsweepError(
                    f"shard {folder / shard.file} must have {shard.num_bytes} bytes",
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
        return pyarrow.parquet.read_table(io.BytesIO(fetch(self.folder / INDEX))).to_pandas()

    def frames(self, shard: int) -> Tensor:
        """Frames ``[F, N]`` float16 of a shard, memory-mapped, to be read only.

        All readers on a machine share one copy in the page cache. The first frames of a remote set fetch all of it.

        Raises:
            SpoofsweepError: the node has no room for its copy, or the store's copy is damaged.
        """
        with safetensors.safe_open(self._at_hand / self.manifest.shards[shard].file, framework="pt") as file:
            return file.get_tensor(_FRAMES)

    @cached_property
    def _at_hand(self) -> Path:
        if not is_remote(self.folder):
            return self.folder
        from data_prep.shard_cache import node_copy  # not needed where a model is loaded, nor is its lock's package

        return node_copy(self.folder, self.shard_set_id, {one.file: one.sha256 for one in self.manifest.shards})

    @cached_property
    def rejected(self) -> list[dict[str, str]]:
        """Utterances that were set aside: id, split, file, reason."""
        return [json.loads(line) for line in fetch(self.folder / REJECTED).decode().splitlines()]


def is_complete(folder: Path) -> bool:
    """Whether ``folder`` holds a finished shard set."""
    return MANIFEST in folder_sizes(folder)


def shard_name(number: int) -> str:
    """File name of shard ``number``."""
    return f"shard-{number:05d}.safetensors"


def write_frames(folder: Path, number: int, frames_FN: Tensor) -> ShardInfo:
    """Write a shard file in one step; ``frames_FN`` is float16."""
    data = safetensors.torch.save({_FRAMES: frames_FN})
    atomic_write_bytes(folder / shard_name(number), data)
    return ShardInfo(file=shard_name(number), num_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def index_table(rows: Sequence[Row]) -> pyarrow.Table:
    """Rows of the index as a table."""
    return pyarrow.Table.from_pylist(list(rows), schema=INDEX_SCHEMA)


def write_index(folder: Path, tables: Iterable[pyarrow.Table]) -> None:
    """Write the index from consecutive pieces, of which few are held at a time; the same rows give the same bytes."""

    def write(file: BinaryIO) -> None:
        with pyarrow.parquet.ParquetWriter(file, INDEX_SCHEMA, compression="zstd") as writer:
            gathered: list[pyarrow.Table] = []
            for table in tables:
                gathered.append(table)
                if sum(map(len, gathered)) >= _ROWS_A_GROUP:
                    rows = pyarrow.concat_tables(gathered)
                    writer.write_table(rows[:_ROWS_A_GROUP])
                    gathered = [rows[_ROWS_A_GROUP:]]
            writer.write_table(pyarrow.concat_tables([INDEX_SCHEMA.empty_table(), *gathered]))

    atomic_write(folder / INDEX, write)


def write_rejected(folder: Path, rejected: Iterable[Mapping[str, str]]) -> None:
    """Write the list of utterances that were set aside, one JSON object a line."""
    lines = (json.dumps(dict(one), sort_keys=True, ensure_ascii=False) + "\n" for one in rejected)
    atomic_write_text(folder / REJECTED, "".join(lines))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Declare the shard set complete."""
    values = manifest.model_dump(mode="json")
    atomic_write_text(
        folder / MANIFEST, json.dumps(values, indent=2) + "\n"
    )  # keys as declared: policies have an order


class Summary:
    """Counts and hours by split of an index, piece by piece."""

    def __init__(self) -> None:
        self._totals: dict[str, dict[str, float]] = {}

    def add(self, table: pyarrow.Table) -> None:
        """Count a piece of the index."""
        for split in table["split"].unique().to_pylist():
            of_split = table.filter(pyarrow.compute.field("split") == split)
            labels = of_split.filter(pyarrow.compute.field("view") == 0)["label"].to_pylist()
            total = self._totals.setdefault(split, {"bonafide": 0, "spoof": 0, "num_views": 0, "duration_s": 0.0})
            for label in LABELS:
                total[label] += labels.count(label)
            total["num_views"] += len(of_split)
            total["duration_s"] += pyarrow.compute.sum(of_split["duration_s"]).as_py()

    @property
    def splits(self) -> dict[str, SplitSummary]:
        """Of all pieces so far."""
        return {split: _summary(**total) for split, total in self._totals.items()}


def _summary(duration_s: float, **counts: Any) -> SplitSummary:
    return SplitSummary(hours=round(duration_s / 3600, 6), **counts)


def _read_manifest(folder: Path) -> Manifest:
    try:
        values = json.loads(fetch(folder / MANIFEST))
    except FileNotFoundError:
        raise SpoofsweepError(
            "a finished shard set must be there", f"{folder} without {MANIFEST}", "run `spoofsweep prep STUDY`"
        ) from None
    except ValueError as error:
        raise SpoofsweepError(
            "the manifest must be JSON",
            f"{folder / MANIFEST} ({error})",
            f"remove {folder} and run `spoofsweep prep STUDY`",
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
