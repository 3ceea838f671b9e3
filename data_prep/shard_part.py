"""What a finished shard contributes to its set beside its own file, kept until all of them are there.

One Parquet file a shard: the rows of the index, and in the schema's metadata what else there is to say.
"""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from data_prep.atomic import atomic_write_bytes
from data_prep.remote_files import fetch_ahead, folder_sizes
from data_prep.shards import ShardInfo, shard_name
from data_prep.validation import Rejection

PARTS = "parts"
"""Folder of the parts, inside the set's."""
_INFO, _REJECTED = b"info", b"rejected"


@dataclass(frozen=True)
class ShardPart:
    """What a shard contributes to the shard set beside its file."""

    info: ShardInfo
    rows: pyarrow.Table
    """Of the index."""
    rejected: list[Rejection]

    @property
    def audio_s(self) -> float:
        """Seconds of audio in the shard, all views together."""
        return float(pyarrow.compute.sum(self.rows["duration_s"], min_count=0).as_py())


def part_path(folder: Path, number: int) -> Path:
    """Where shard ``number`` of the set in ``folder`` leaves its part."""
    return folder / PARTS / f"{shard_name(number)}.parquet"


def write_part(folder: Path, number: int, part: ShardPart) -> None:
    """Declare shard ``number`` finished."""
    rejected = json.dumps([asdict(rejection) for rejection in part.rejected])
    metadata = {_INFO: part.info.model_dump_json().encode(), _REJECTED: rejected.encode()}
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(part.rows.replace_schema_metadata(metadata), buffer, compression="zstd")
    atomic_write_bytes(part_path(folder, number), buffer.getvalue())


def read_parts(folder: Path, numbers: Iterable[int]) -> Iterator[tuple[int, ShardPart]]:
    """The finished ones of ``numbers``, in this order, one at a time.

    A shard is unfinished without its part, or while its file has another size than its part says.
    """
    sizes, there = folder_sizes(folder), folder_sizes(folder / PARTS)
    present = [number for number in numbers if part_path(folder, number).name in there]
    for number, data in zip(present, fetch_ahead(part_path(folder, n) for n in present), strict=True):
        if isinstance(data, str):  # removed since the folder was listed
            continue
        part = _parse(data)
        if sizes.get(part.info.file) == part.info.num_bytes:
            yield number, part


def _parse(data: bytes) -> ShardPart:
    table = pyarrow.parquet.read_table(io.BytesIO(data), use_threads=False)
    metadata = table.schema.metadata
    rejected = [Rejection(**values) for values in json.loads(metadata[_REJECTED])]
    return ShardPart(ShardInfo.model_validate_json(metadata[_INFO]), table.replace_schema_metadata(None), rejected)
