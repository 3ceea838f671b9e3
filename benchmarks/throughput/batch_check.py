"""Whether every pipeline trains on the same features: crops of a batch are looked up among all frames there are.

Tensor names carry shapes: B batch, T frames of a crop, K utterances, F frames of an utterance, N feature bins.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from throughput.feature_pipelines import LOADERS
from throughput.training_contestants import OURS, Contest, OwnTraining
from throughput.training_data import label_of

_ROUNDING = 2e-3
"""Largest difference, relative and absolute, between float32 features and what float16 keeps of them."""


def check_batches(contest: Contest, loaders: Sequence[str]) -> None:
    """Raises ValueError where a crop is not one of an utterance of its class, or where a batch repeats itself."""
    reference_KFN = torch.from_numpy(contest.data.reference().copy()).float()
    for name in loaders:
        feat_BTN, label_B = next(LOADERS[name](contest.data, contest.loader_settings(0)))
        # Derivatives at the ends of a cut wave look at frames that are not there.
        margin = contest.data.features.deltas * contest.data.features.delta_reach if name == "flac" else 0
        _check(name, feat_BTN.float(), reference_KFN, margin, label_B.tolist())
    _check(OURS, _own_batch(contest), reference_KFN, 0, None)


def _own_batch(contest: Contest) -> Tensor:
    """What the model of a trial on the CPU is given in its first step."""
    own, batches = OwnTraining(replace(contest, device="cpu"), {}), list[Tensor]()
    hook = own.training.model.register_forward_pre_hook(lambda _, inputs: batches.append(inputs[0].clone()))
    own.step()
    hook.remove()
    return batches[0]


def _check(name: str, feat_BTN: Tensor, reference_KFN: Tensor, margin: int, labels: list[int] | None) -> None:
    found = []
    for row, crop_TN in enumerate(feat_BTN):
        classes = None if labels is None else labels[row]
        found.append(_find(crop_TN, reference_KFN, margin, classes))
        if found[-1] is None:
            raise ValueError(f"{name}: crop {row} of a batch is none of an utterance of its class")
    if len(set(found)) < len(found) // 2:
        raise ValueError(f"{name}: a batch holds {len(set(found))} different crops of {len(found)}")


def _find(crop_TN: Tensor, reference_KFN: Tensor, margin: int, label: int | None) -> tuple[int, int] | None:
    """Utterance and first frame of the crop, by its middle frame; none where there is no such place."""
    num_frames, middle = len(crop_TN), len(crop_TN) // 2
    distance_KF = (reference_KFN - crop_TN[middle]).abs().amax(dim=2)
    inside = slice(margin, num_frames - margin)
    for utterance, place in (distance_KF <= distance_KF.min() + _ROUNDING).nonzero().tolist():
        first = place - middle
        same_TN = reference_KFN[utterance, max(0, first) : first + num_frames]
        if first < 0 or len(same_TN) < num_frames or label not in (None, label_of(utterance)):
            continue
        if torch.allclose(crop_TN[inside], same_TN[inside], rtol=_ROUNDING, atol=_ROUNDING):
            return utterance, first
    return None
