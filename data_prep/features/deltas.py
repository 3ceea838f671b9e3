"""Time derivatives of features.

Tensor names carry shapes: F frames, N feature bins.
"""

import torch
from torch import Tensor


def deltas(feat_FN: Tensor, reach: int = 1) -> Tensor:
    """Regression over time, ``sum_k k (x[t+k] - x[t-k]) / (2 sum_k k^2)`` for k up to ``reach`` (HTK book, eq. 5.16).

    The first and last frame repeat beyond the ends. The same as ``torchaudio.functional.compute_deltas`` with
    ``win_length = 2 reach + 1``, without its convolution.
    """
    num_frames = feat_FN.shape[0]
    padded = torch.cat([feat_FN[:1].expand(reach, -1), feat_FN, feat_FN[-1:].expand(reach, -1)])
    total = padded[reach + 1 :][:num_frames] - padded[reach - 1 :][:num_frames]
    for k in range(2, reach + 1):
        total = total + k * (padded[reach + k :][:num_frames] - padded[reach - k :][:num_frames])
    return total / (2 * sum(k * k for k in range(1, reach + 1)))


def with_deltas(feat_FN: Tensor, orders: int, reach: int) -> Tensor:
    """``[F, N (1 + orders)]``: the features, their derivatives, and the derivatives of those."""
    if orders == 0:
        return feat_FN
    stack = [feat_FN]
    for _ in range(orders):
        stack.append(deltas(stack[-1], reach))
    return torch.cat(stack, dim=1)
