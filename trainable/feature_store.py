"""One split's features, memory-mapped from the shards or resident on the GPU, gathered into batches by index.

Legend: B batch, T frames, F feature bins, U utterances, V views.
"""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cluster.errors import SpoofsweepError
from data_prep.features.normalisation import STD_FLOOR
from data_prep.shards import ShardSet

IntArray = NDArray[np.int64]

_GPU_SHARE = 0.3
"""A split goes to the GPU when it takes at most this share of the free memory: trials packed onto one GPU share it."""


def to_device(values: IntArray | Tensor, device: torch.device) -> Tensor:
    """``values`` on ``device``; to a GPU by pinned memory, so that the program goes on while they are copied."""
    tensor = torch.as_tensor(values)
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class FeatureStore:
    """Views of one split, ordered by utterance and view, so that the bytes do not depend on how shards were cut.

    On a CPU the frames stay memory-mapped, and all trials on a node share the page cache. On a GPU the split is copied
    there once if it fits; otherwise batches are gathered on the CPU and sent.

    Args:
        index: rows of the shards' index, where ``split`` may say otherwise than there (see `trainable.hold_out`); none
            means the index as it is.

    Attributes:
        utterances: data frame ``[U]`` of utterance_id, corpus, speaker, attack, label and channel.
        label_U: classes, 0 spoof and 1 bona fide.
        first_view_U, num_views_U: where an utterance's views lie in the view arrays; its first is view 0, the clean
        one.
        num_frames_V: length of each view.
        policy_V: name of the augmentation policy that made each view.

    Raises:
        SpoofsweepError: the split lacks one of the classes, or an utterance has no clean view.
    """

    def __init__(
        self,
        shards: ShardSet,
        split: str,
        device: torch.device,
        clean_only: bool = False,
        index: pd.DataFrame | None = None,
    ) -> None:
        self.device = device
        index = shards.index if index is None else index
        index = index[index["split"] == split]
        if clean_only:
            index = index[index["view"] == 0]
        index = index.sort_values(["utterance_id", "view"], kind="stable", ignore_index=True)
        self._read_utterances(index, split)
        self.policy_V: NDArray[np.str_] = index["policy"].to_numpy(np.str_)
        self.num_frames_V: IntArray = index["num_frames"].to_numpy(np.int64)
        self._block_V: IntArray = index["shard"].to_numpy(np.int64)
        self._offset_V: IntArray = index["offset"].to_numpy(np.int64)
        self._blocks = {int(shard): shards.frames(int(shard)) for shard in np.unique(self._block_V)}
        self.num_bins = next(iter(self._blocks.values())).shape[1]
        if device.type == "cuda" and self._fits():
            self._move_to_device()

    def gather(self, view_B: IntArray, start_B: IntArray, num_frames: int) -> Tensor:
        """Float32 crops ``feat_BTF`` of ``num_frames`` from ``start_B`` on, wrapping round at the end of the view."""
        frame_BT = start_B[:, None] + np.arange(num_frames)
        frame_BT = self._offset_V[view_B, None] + frame_BT % self.num_frames_V[view_B, None]
        block_B = self._block_V[view_B]
        blocks = np.unique(block_B)
        if blocks.size == 1:
            return self._take(int(blocks[0]), frame_BT)
        feat_BTF = torch.empty(len(view_B), num_frames, self.num_bins, device=self.device)
        for block in blocks:
            rows = np.flatnonzero(block_B == block)
            feat_BTF[to_device(rows, self.device)] = self._take(int(block), frame_BT[rows])
        return feat_BTF

    def clean_moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation ``[F]`` (float32, at least `STD_FLOOR`) of each bin over the frames of all clean
        views, summed in float64."""
        total_F, squares_F = torch.zeros(2, self.num_bins, dtype=torch.float64, device=self.device)
        for view in self.first_view_U:
            start, frames = self._offset_V[view], self._blocks[int(self._block_V[view])]
            feat_TF = frames[start : start + self.num_frames_V[view]].to(self.device).double()
            total_F += feat_TF.sum(dim=0)
            squares_F += feat_TF.square().sum(dim=0)
        num_frames = int(self.num_frames_V[self.first_view_U].sum())
        mean_F = total_F / num_frames
        variance_F = squares_F / num_frames - mean_F.square()
        return mean_F.float(), variance_F.clamp(min=STD_FLOOR**2).sqrt().float()

    def _take(self, block: int, frame_BT: IntArray) -> Tensor:
        frames = self._blocks[block]
        # Sent as float16 and widened there: half the bytes on the way.
        return to_device(frames[to_device(frame_BT, frames.device)], self.device).float()

    def _read_utterances(self, index: pd.DataFrame, split: str) -> None:
        first = ~index["utterance_id"].duplicated().to_numpy()
        self.first_view_U: IntArray = np.flatnonzero(first)
        self.num_views_U: IntArray = np.diff(np.append(self.first_view_U, len(index)))
        columns = ["utterance_id", "corpus", "speaker", "attack", "label", "channel"]
        self.utterances = index.loc[first, columns].reset_index(drop=True)
        self.label_U: IntArray = (self.utterances["label"] == "bonafide").to_numpy(np.int64)
        num_bonafide = int(self.label_U.sum())
        if num_bonafide in (0, len(self.label_U)):
            found = f"{num_bonafide} bona fide and {len(self.label_U) - num_bonafide} spoofed utterances"
            raise SpoofsweepError(
                f"split '{split}' must hold both classes", found, "check the corpus and its rejected files"
            )
        augmented_only = self.utterances["utterance_id"][index.loc[first, "view"].to_numpy() != 0]
        if len(augmented_only):
            raise SpoofsweepError("every utterance needs its clean view", f"'{augmented_only.iloc[0]}' without view 0")

    def _fits(self) -> bool:
        num_bytes = int(self.num_frames_V.sum()) * self.num_bins * 2
        return num_bytes <= _GPU_SHARE * torch.cuda.mem_get_info(self.device)[0]

    def _move_to_device(self) -> None:
        """Put the split's views behind each other in one tensor on the device, shard by shard; none is there twice."""
        resident = torch.empty(int(self.num_frames_V.sum()), self.num_bins, dtype=torch.float16, device=self.device)
        offset_V = np.zeros_like(self._offset_V)
        end = 0
        for block, frames in self._blocks.items():
            views = np.flatnonzero(self._block_V == block)
            part = torch.cat([frames[self._offset_V[v] : self._offset_V[v] + self.num_frames_V[v]] for v in views])
            offset_V[views] = end + np.cumsum(self.num_frames_V[views]) - self.num_frames_V[views]
            resident[end : end + len(part)] = part
            end += len(part)
        self._blocks, self._offset_V, self._block_V = {0: resident}, offset_V, np.zeros_like(self._block_V)
