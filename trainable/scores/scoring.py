"""Scores of utterances of any length, window by window; validation and detection share this code.

Scores are computed in float32 whatever the training precision, so a detector on another device gives the same ones but
for rounding.

Legend: B windows in a batch, T frames, F feature bins, C classes, W windows.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data_prep.config import FeaturesConfig
from trainable.config import ValidationConfig
from trainable.data.feature_store import FeatureStore
from trainable.data.windows import window_starts
from trainable.hardware.precision import full_precision


class WindowScore(NamedTuple):
    """Score of one window, ``start_frame`` inclusive to ``end_frame`` exclusive."""

    start_frame: int
    end_frame: int
    score: float


def frames_in(duration_s: float, features: FeaturesConfig) -> int:
    """Frames that span ``duration_s``, at least one."""
    return max(1, round(duration_s * features.sample_rate / features.hop_samples))


def logit_difference(model: nn.Module, feat_BTF: Tensor) -> Tensor:
    """Scores ``[B]``: bona fide logit minus spoof logit."""
    logits_BC = model(feat_BTF)
    return logits_BC[:, 1] - logits_BC[:, 0]


def score_features(
    model: nn.Module,
    feat_TF: Tensor,
    validation: ValidationConfig,
    features: FeaturesConfig,
) -> list[WindowScore]:
    """Score every window of one utterance; its score is the mean over windows (`validation.coverage` says which).

    Args:
        model: on the CPU.
        feat_TF: features, at least one frame.
    """
    num_frames = feat_TF.shape[0]
    window_frames = frames_in(validation.window_s, features)
    starts = window_starts(num_frames, window_frames, validation.coverage)
    index_WT = (torch.tensor(starts)[:, None] + torch.arange(window_frames)) % num_frames
    batches = (feat_TF[part_BT].float() for part_BT in index_WT.split(validation.batch_size))
    score_W = score_batches(model, batches)
    ends = [min(start + window_frames, num_frames) for start in starts]
    return [WindowScore(start, end, float(score)) for start, end, score in zip(starts, ends, score_W, strict=True)]


def score_store(
    model: nn.Module, store: FeatureStore, validation: ValidationConfig, features: FeaturesConfig
) -> NDArray[np.float64]:
    """Scores ``[U]`` of all utterances of a store by their clean view; the windows of all utterances share batches."""
    window_frames = frames_in(validation.window_s, features)
    num_frames_U = store.num_frames_V[store.first_view_U]
    starts_U = [window_starts(int(num_frames), window_frames, validation.coverage) for num_frames in num_frames_U]
    owner_W = np.repeat(np.arange(len(starts_U)), [len(starts) for starts in starts_U])
    start_W = np.concatenate([np.asarray(starts) for starts in starts_U])

    def batches() -> Iterator[Tensor]:
        for first in range(0, len(start_W), validation.batch_size):
            part = slice(first, first + validation.batch_size)
            yield store.gather(store.first_view_U[owner_W[part]], start_W[part], window_frames)

    score_W = score_batches(model, batches())
    return np.bincount(owner_W, weights=score_W) / np.bincount(owner_W)


def score_largest_batch(
    model: nn.Module, store: FeatureStore, validation: ValidationConfig, features: FeaturesConfig
) -> None:
    """Score as many windows as `score_store` ever scores at a time, and forget the scores."""
    view_B = np.repeat(store.first_view_U[:1], validation.batch_size)
    score_batches(model, [store.gather(view_B, np.zeros_like(view_B), frames_in(validation.window_s, features))])


def score_batches(model: nn.Module, batches: Iterable[Tensor]) -> NDArray[np.float64]:
    """Scores ``[W]`` of batches of windows; the model is left in the mode it was in."""
    was_training = model.training
    model.eval()
    with full_precision(), torch.inference_mode():
        # One transfer at the end, so that a GPU is never waited for in between.
        score_W = torch.cat([logit_difference(model, feat_BTF) for feat_BTF in batches])
    model.train(was_training)
    return score_W.cpu().numpy().astype(np.float64)
