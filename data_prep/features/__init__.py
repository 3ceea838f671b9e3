"""The acoustic front end: one implementation for preparation, detection and export; its kinds by name.

Tensor names carry shapes: B batch, T samples, F frames, W window samples, N feature bins.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from data_prep.features.constant_q import ConstantQCepstra, LogConstantQ
from data_prep.features.deltas import with_deltas
from data_prep.features.filter_banks import Cepstra, LogFilterBank
from data_prep.features.normalisation import normalise_utterance
from data_prep.features.spectrum import LogSpectrum
from data_prep.features_config import FeaturesConfig

KINDS: dict[str, Callable[[FeaturesConfig], nn.Module]] = {
    "lfcc": Cepstra,
    "mfcc": Cepstra,
    "lfb": LogFilterBank,
    "logmel": LogFilterBank,
    "logspec": LogSpectrum,
    "cqt": LogConstantQ,
    "cqcc": ConstantQCepstra,
}
"""Each maps windows of samples ``[F, W]`` to features ``[F, N]``, every frame by itself."""

_BLOCK_FRAMES = 512
"""Frames computed at a time: what lies between the steps stays in the cache, and memory flat however long the wave."""


class FrontEnd(nn.Module):
    """Waves to features of the configured kind, with deltas and per-utterance normalisation where asked.

    Windows start at every hop from the first sample and never pad, so a frame depends on its own samples only (with
    pre-emphasis on one sample before, and through each order of deltas on ``delta_reach`` more neighbours). Rows of a
    batch are computed one by one: the result is the same, byte for byte, whatever the batch.
    """

    def __init__(self, config: FeaturesConfig) -> None:
        """Raises SpoofsweepError where a filter falls between the bins of the Fourier transform."""
        super().__init__()
        self.config = config
        self.kind = KINDS[config.kind](config)

    def num_frames(self, num_samples: int) -> int:
        """Frames of a wave of ``num_samples``; 0 below one window."""
        if num_samples < self.config.window_samples:
            return 0
        return 1 + (num_samples - self.config.window_samples) // self.config.hop_samples

    def forward(self, wave_BT: Tensor) -> Tensor:
        """Features ``[B, F, N]`` float32 of waves ``[B, T]`` float32 of at least one window.

        Raises:
            ValueError: the waves are shorter than one window.
        """
        if wave_BT.shape[-1] < self.config.window_samples:
            raise ValueError(f"{wave_BT.shape[-1]} samples are below one window of {self.config.window_samples}")
        return torch.stack([self._features(wave_T) for wave_T in wave_BT])

    def _features(self, wave_T: Tensor) -> Tensor:
        if self.config.pre_emphasis:
            wave_T = torch.cat([wave_T[:1], wave_T[1:] - self.config.pre_emphasis * wave_T[:-1]])
        frames_FW = wave_T.unfold(0, self.config.window_samples, self.config.hop_samples)
        static_FN = torch.cat([self.kind(block_FW) for block_FW in frames_FW.split(_BLOCK_FRAMES)])
        feat_FN = with_deltas(static_FN, self.config.deltas, self.config.delta_reach)
        return normalise_utterance(feat_FN) if self.config.cmvn == "utterance" else feat_FN
