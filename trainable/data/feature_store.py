"""One split's features, gathered into batches by index.

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
from trainable.data.frames import Frames

IntArray = NDArray[np.int64]


class FeatureStore:
    """Views of one split, ordered by utterance and view, so that the bytes do not depend on how shards were cut.

    Args:
        index: rows of the shards' index, where ``split`` may say otherwise than there (see `trainable.data.hold_out`);
            none means the index as it is.
        frames: of this split at least, shared with other stores; none opens the split's own.

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
        frames: Frames | None = None,
    ) -> None:
        index = shards.index if index is None else index
        index = index[index["split"] == split]
        if clean_only:
            index = index[index["view"] == 0]
        index = index.sort_values(["utterance_id", "view"], kind="stable", ignore_index=True)
        self._read_utterances(index, split)
        self.policy_V: NDArray[np.str_] = index["policy"].to_numpy(np.str_)
        self.num_frames_V: IntArray = index["num_frames"].to_numpy(np.int64)
        self.frames = frames or Frames(shards, index, device)
        self._block_V, self._first_V = self.frames.locate(index)

    @property
    def num_bins(self) -> int:
        """Values of a frame."""
        return self.frames.num_bins

    def gather(self, view_B: IntArray, start_B: IntArray, num_frames: int) -> Tensor:
        """Float32 crops ``feat_BTF`` of ``num_frames`` from ``start_B`` on, wrapping round at the end of the view."""
        return self.frames.send(self.collect(view_B, start_B, num_frames))

    def collect(self, view_B: IntArray, start_B: IntArray, num_frames: int) -> Tensor:
        """The same in float16 where the frames lie, for `Frames.send`."""
        places = self._block_V[view_B], self._first_V[view_B], self.num_frames_V[view_B]
        return self.frames.collect(*places, start_B, num_frames)

    def clean_moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation ``[F]`` (float32, at least `STD_FLOOR`) of each bin over the frames of all clean
        views, summed in float64."""
        total_F, squares_F = torch.zeros(2, self.num_bins, dtype=torch.float64, device=self.frames.device)
        for view in self.first_view_U:
            place = int(self._block_V[view]), int(self._first_V[view]), int(self.num_frames_V[view])
            feat_TF = self.frames.row(*place).to(self.frames.device).double()
            total_F += feat_TF.sum(dim=0)
            squares_F += feat_TF.square().sum(dim=0)
        num_frames = int(self.num_frames_V[self.first_view_U].sum())
        mean_F = total_F / num_frames
        variance_F = squares_F / num_frames - mean_F.square()
        return mean_F.float(), variance_F.clamp(min=STD_FLOOR**2).sqrt().float()

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
