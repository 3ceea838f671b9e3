"""Random masks over time and frequency (Park et al. 2019, section 2, without time warping).

Legend: B batch, T frames, F feature bins.
"""

import torch
from torch import Tensor

from trainable.config import SpecAugmentConfig


def spec_augment(feat_BTF: Tensor, config: SpecAugmentConfig, hop_s: float) -> Tensor:
    """Features with masked stretches replaced by each bin's own mean; draws from torch's global generator.

    The mean, not zero: features are log energies or cepstra, where zero is a loud frame, while the mean vanishes under
    mean normalisation. Widths are uniform in ``0..maximum``, places uniform; every utterance has its own masks.
    """
    num_frames, num_bins = feat_BTF.shape[1:]
    longest = min(num_frames, round(config.time_mask_s / hop_s))
    widest = min(num_bins, round(config.frequency_mask_share * num_bins))
    masked_BT1 = _random_spans(feat_BTF, num_frames, config.time_masks, longest).unsqueeze(2)
    masked_B1F = _random_spans(feat_BTF, num_bins, config.frequency_masks, widest).unsqueeze(1)
    return torch.where(masked_BT1 | masked_B1F, feat_BTF.mean(dim=1, keepdim=True), feat_BTF)


def is_active(config: SpecAugmentConfig) -> bool:
    """Whether these settings mask anything."""
    return config.time_masks + config.frequency_masks > 0


def _random_spans(feat_BTF: Tensor, size: int, num_spans: int, longest: int) -> Tensor:
    """Boolean ``[B, size]``, true inside ``num_spans`` random spans of at most ``longest`` each."""
    place, draws = feat_BTF.device, (feat_BTF.shape[0], num_spans, 1)
    span_BM1 = torch.randint(0, longest + 1, draws, device=place)
    start_BM1 = (torch.rand(draws, device=place) * (size - span_BM1 + 1)).long()
    position = torch.arange(size, device=place)
    return ((position >= start_BM1) & (position < start_BM1 + span_BM1)).any(dim=1)
