"""The frames that trials read: mapped from the shards, or resident on the GPU; all trials of a process share them.

Legend: B batch, T frames, F feature bins, R rows of the shards' index.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_prep.shards import ShardSet

IntArray = NDArray[np.int64]

_FREE_SHARE, _CAPPED_SHARE = 0.3, 0.85
"""Frames go to the GPU when they take at most this share of the memory that is free there, or, in a process whose part
of the GPU is fixed, of what is free of that part."""
_BYTES_PER_VALUE = 2

Kind = Literal["mapped", "resident", "streamed"]


@dataclass(frozen=True)
class Placement:
    """Where frames lie, and why.

    ``mapped``: in the files, read through the page cache, which all trials on a node share. ``resident``: copied to the
    GPU once. ``streamed``: too large for the GPU, so batches are collected from the files by a thread that keeps ahead
    of training, and sent from pinned memory. A copy of the split in pinned memory would bring nothing: a batch's rows
    have to be collected by the CPU in either case, and the page cache is memory, too.
    """

    kind: Kind
    num_bytes: int
    limit_bytes: int | None = None
    """What frames may take of the GPU; none on a CPU."""

    def __str__(self) -> str:
        size = f"{_shown(self.num_bytes)} of features"
        if self.limit_bytes is None:
            return f"{size} memory-mapped"
        limit = _shown(self.limit_bytes)
        if self.kind == "resident":
            return f"{size} resident on the GPU (at most {limit} there)"
        return f"{size} streamed from the files, for the GPU has room for {limit} of them"


def place(num_bytes: int, device: torch.device) -> Placement:
    """Where frames of that size should lie for trials on ``device``."""
    if device.type != "cuda":
        return Placement("mapped", num_bytes)
    limit = _limit_bytes(device)
    return Placement("resident" if num_bytes <= limit else "streamed", num_bytes, limit)


def to_device(values: IntArray | Tensor, device: torch.device) -> Tensor:
    """``values`` on ``device``; to a GPU by pinned memory, so that the program goes on while they are copied."""
    tensor = torch.as_tensor(values)
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return (tensor if tensor.is_pinned() else tensor.pin_memory()).to(device, non_blocking=True)


class Frames:
    """Frames of some rows of a shard set, collected into batches for ``device``.

    Args:
        shards: an open shard set.
        rows: the rows of its index that may be collected.
        device: where batches go.
        kind: of `Placement`; none lets the GPU's memory decide.

    Attributes:
        placement: where the frames lie.
        num_bins: values of a frame.
    """

    def __init__(self, shards: ShardSet, rows: pd.DataFrame, device: torch.device, kind: Kind | None = None) -> None:
        self.shard_set_id, self.device = shards.shard_set_id, device
        self._blocks = {int(shard): shards.frames(int(shard)) for shard in np.unique(rows["shard"])}
        self.num_bins = next(iter(self._blocks.values())).shape[1]
        num_bytes = int(rows["num_frames"].sum()) * self.num_bins * _BYTES_PER_VALUE
        self.placement = place(num_bytes, device)
        if kind is not None:
            self.placement = replace(self.placement, kind=kind)
        self._resident: _Resident | None = None
        if self.placement.kind == "resident":
            self._move(rows)

    @classmethod
    def of_training(cls, shards: ShardSet, device: torch.device, kind: Kind | None = None) -> "Frames":
        """Those that trials train on and validate with, whatever they hold out."""
        return cls(shards, shards.index[shards.index["split"] != "eval"], device, kind)

    def locate(self, rows: pd.DataFrame) -> tuple[IntArray, IntArray]:
        """Block and first frame ``[R]`` of each row, to collect by."""
        shard_R, offset_R = rows["shard"].to_numpy(np.int64), rows["offset"].to_numpy(np.int64)
        return (shard_R, offset_R) if self._resident is None else self._resident.locate(shard_R, offset_R)

    def collect(
        self, block_B: IntArray, first_B: IntArray, length_B: IntArray, start_B: IntArray, num_frames: int
    ) -> Tensor:
        """Crops ``[B, T, F]``, float16, where the frames lie: ``num_frames`` from ``start_B`` on, wrapping round.

        Args:
            block_B, first_B: where each row lies, as `locate` says.
            length_B: frames of each row.
            start_B: first frame of the crop, counted from the row's first.
        """
        if self._resident is not None:
            return self._take(np.stack((first_B, length_B, start_B)), num_frames)
        half_BTF = np.empty((len(block_B), num_frames, self.num_bins), dtype=np.float16)
        places = zip(block_B.tolist(), first_B.tolist(), length_B.tolist(), start_B.tolist(), strict=True)
        # Slices are copied ten times as fast as frames that are indexed one by one.
        for crop_TF, (block, first, length, start) in zip(half_BTF, places, strict=True):
            row_TF, done = self._blocks[block].numpy()[first : first + length], 0
            while done < num_frames:
                part_TF = row_TF[start : start + num_frames - done]
                crop_TF[done : done + len(part_TF)] = part_TF
                start, done = 0, done + len(part_TF)
        return torch.from_numpy(half_BTF)

    def send(self, half_BTF: Tensor) -> Tensor:
        """What `collect` gave, on the device in float32: widened there, half the bytes on the way."""
        return to_device(half_BTF, self.device).float()

    def row(self, block: int, first: int, length: int) -> Tensor:
        """All frames of one row, where they lie."""
        return self._blocks[block][first : first + length]

    def _take(self, places_3B: IntArray, num_frames: int) -> Tensor:
        frames = self._blocks[0]
        first_B1, length_B1, start_B1 = to_device(places_3B, frames.device)[:, :, None]
        frame_BT = first_B1 + (start_B1 + torch.arange(num_frames, device=frames.device)) % length_B1
        return frames[frame_BT]

    def _move(self, rows: pd.DataFrame) -> None:
        """Copy the rows to the device, behind each other in one block, shard by shard; none is there twice."""
        ordered = rows.sort_values(["shard", "offset"])
        self._resident = _Resident(ordered)
        length_R = ordered["num_frames"].to_numpy(np.int64)
        block = torch.empty(int(length_R.sum()), self.num_bins, dtype=torch.float16, device=self.device)
        end = 0
        for shard, part in ordered.groupby("shard", sort=False):
            places = zip(part["offset"], part["num_frames"], strict=True)
            frames = torch.cat([self._blocks[int(shard)][first : first + length] for first, length in places])
            block[end : end + len(frames)] = frames
            end += len(frames)
        self._blocks = {0: block}


class _Resident:
    """Where the rows of shards lie in one block; ``ordered`` by shard and offset."""

    def __init__(self, ordered: pd.DataFrame) -> None:
        length_R = ordered["num_frames"].to_numpy(np.int64)
        self._key_R = _key(ordered["shard"].to_numpy(np.int64), ordered["offset"].to_numpy(np.int64))
        self._first_R = np.cumsum(length_R) - length_R

    def locate(self, shard_R: IntArray, offset_R: IntArray) -> tuple[IntArray, IntArray]:
        return np.zeros_like(shard_R), self._first_R[np.searchsorted(self._key_R, _key(shard_R, offset_R))]


def _key(shard_R: IntArray, offset_R: IntArray) -> IntArray:
    """One number a row, in the order of shards and offsets."""
    return shard_R << 40 | offset_R


def _limit_bytes(device: torch.device) -> int:
    """What frames may take of the GPU."""
    free, total = torch.cuda.mem_get_info(device)
    fraction = torch.cuda.get_per_process_memory_fraction()  # wants an index or nothing
    if fraction >= 1.0:
        return int(_FREE_SHARE * free)
    own = int(fraction * total) - torch.cuda.memory_reserved(device)
    return max(0, int(_CAPPED_SHARE * min(free, own)))


def _shown(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"
