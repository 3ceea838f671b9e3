"""Convolution blocks over time and frequency, and what stands before the first of them.

Legend: B batch, T frames, F feature bins, C channels.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from trainable.config import ModelConfig
from trainable.models.bin_scale import BinScale
from trainable.models.causal import CausalConv2d, Memory, look_back
from trainable.models.dropouts import StochasticDepth, map_dropout

_SQUEEZE = 4
"""Reduction of the bottleneck of squeeze and excitation; 16 in the paper, whose maps have ten times the channels."""
_RELAXATION = 0.5
"""Share of the normalisation over the whole map beside that of each bin: lambda in the paper."""
_VARIANCE_FLOOR = 1e-5
Convolution = Callable[..., nn.Conv2d]
"""Of so many channels to so many, with ``bias`` or without, that keeps frames and bins."""


class InputNormalisation(nn.Module):
    """Brings every feature bin to zero mean and unit variance: ``[B, T, F] -> [B, T, F]``.

    Cepstra differ in scale by orders of magnitude, and convolutions across bins need them alike. Batch statistics a
    bin, after the mean over the window is subtracted if asked (cepstral mean normalisation).
    """

    def __init__(self, num_bins: int, subtract_mean: bool) -> None:
        super().__init__()
        self.subtract_mean = subtract_mean
        self.scale = BinScale(num_bins)

    def forward(self, feat_BTF: Tensor) -> Tensor:
        if self.subtract_mean:
            feat_BTF = feat_BTF - feat_BTF.mean(dim=1, keepdim=True)
        return self.scale(feat_BTF)


class MaxFeatureMap(nn.Module):
    """The larger of two halves of the channels (Wu, He, Sun and Tan 2018): ``[B, 2 C, T, F] -> [B, C, T, F]``."""

    def forward(self, maps_BCTF: Tensor) -> Tensor:
        return torch.maximum(*maps_BCTF.chunk(2, dim=1))


class SqueezeExcitation(nn.Module):
    """Weighs channels by what the whole map holds (Hu, Shen and Sun 2018)."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        num_squeezed = max(1, num_channels // _SQUEEZE)
        self.weigh = nn.Sequential(
            nn.Linear(num_channels, num_squeezed), nn.ReLU(), nn.Linear(num_squeezed, num_channels), nn.Sigmoid()
        )

    def forward(self, maps_BCTF: Tensor) -> Tensor:
        return maps_BCTF * self.weigh(maps_BCTF.mean(dim=(2, 3)))[:, :, None, None]


class FrequencyNormalisation(nn.Module):
    """Relaxed instance frequency-wise normalisation (Kim et al. 2022), without parameters.

    Every bin of an utterance is brought to zero mean and unit variance over channels and time, which takes the colour
    of the channel out; half of it, since that colour may tell something.
    """

    def forward(self, maps_BCTF: Tensor) -> Tensor:
        return (1 - _RELAXATION) * _standardised(maps_BCTF, (1, 2)) + _RELAXATION * _standardised(maps_BCTF, (1, 2, 3))


class ResidualBlock(nn.Module):
    """Two convolutions and a way past them (He, Zhang, Ren and Sun 2016), the only one with probability ``skipped``."""

    def __init__(self, num_inputs: int, num_outputs: int, convolution: Convolution, skipped: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(num_inputs, num_outputs, bias=False),
            nn.BatchNorm2d(num_outputs),
            nn.ReLU(inplace=True),
            convolution(num_outputs, num_outputs, bias=False),
            nn.BatchNorm2d(num_outputs),
            StochasticDepth(skipped),
        )
        is_same = num_inputs == num_outputs
        self.past = nn.Identity() if is_same else nn.Conv2d(num_inputs, num_outputs, 1, bias=False)

    def forward(self, maps_BCTF: Tensor) -> Tensor:
        return torch.relu(self.body(maps_BCTF) + self.past(maps_BCTF))

    def look_back(self, maps_BCTF: Tensor, memory: Memory) -> Tensor:
        return torch.relu(look_back(self.body, maps_BCTF, memory) + self.past(maps_BCTF))


def convolution_block(
    num_inputs: int, num_outputs: int, num_bins: int, time_stride: int, config: ModelConfig
) -> nn.Sequential:
    """A block of the kind that ``config.block`` names, with dropout; halves frequency and, asked, time."""
    convolution = _causal(config.kernel_size, num_bins) if config.causal else centred(config.kernel_size)
    block = _BLOCKS[config.block](num_inputs, num_outputs, time_stride, convolution, config)
    if config.squeeze_excitation:
        block.append(SqueezeExcitation(num_outputs))
    if config.frequency_norm:
        block.append(FrequencyNormalisation())
    return block.append(map_dropout(config))


def convolution_stack(config: ModelConfig, num_bins: int) -> nn.Sequential:
    """The blocks of ``config.channels``, ``[B, 1, T, F] -> [B, C, T', F']``; causal ones are run by `look_back`."""
    blocks = (
        convolution_block(a, b, pooled_bins(num_bins, place), stride, config)
        for place, (a, b, stride) in enumerate(
            zip((1, *config.channels), config.channels, strides(config), strict=False)
        )
    )
    # Channels-last convolutions measured 1.4 times faster on CPU; tensor cores want them too.
    return nn.Sequential(*blocks).to(memory_format=torch.channels_last)


def strides(config: ModelConfig) -> tuple[int, ...]:
    """Time pooling of each block."""
    return config.time_strides or (2,) * len(config.channels)


def centred(kernel_size: int) -> Convolution:
    """Convolutions by square kernels about each frame and bin."""
    return partial(nn.Conv2d, kernel_size=kernel_size, padding=kernel_size // 2)


def pooled_bins(num_bins: int, num_blocks: int) -> int:
    """Bins that ``num_blocks`` blocks leave of ``num_bins``."""
    for _ in range(num_blocks):
        num_bins = (num_bins + 1) // 2
    return num_bins


def _causal(kernel_size: int, num_bins: int) -> Convolution:
    return partial(CausalConv2d, num_bins=num_bins, kernel_size=kernel_size)


def _plain(
    num_inputs: int, num_outputs: int, time_stride: int, convolution: Convolution, _: ModelConfig
) -> nn.Sequential:
    return nn.Sequential(
        convolution(num_inputs, num_outputs, bias=False),
        # Pooled first: normalisation of positive scale and ReLU keep the order of values, so the maximum is the same
        # but for a quarter of the memory traffic (the default's blocks: 133 against 197 ms a step on one core).
        _halve(time_stride),
        nn.BatchNorm2d(num_outputs),
        nn.ReLU(inplace=True),
    )


def _max_feature_map(
    num_inputs: int, num_outputs: int, time_stride: int, convolution: Convolution, _: ModelConfig
) -> nn.Sequential:
    return nn.Sequential(
        convolution(num_inputs, 2 * num_outputs, bias=True),
        MaxFeatureMap(),
        _halve(time_stride),
        nn.BatchNorm2d(num_outputs),
    )


def _residual(
    num_inputs: int, num_outputs: int, time_stride: int, convolution: Convolution, config: ModelConfig
) -> nn.Sequential:
    block = ResidualBlock(num_inputs, num_outputs, convolution, config.stochastic_depth)
    return nn.Sequential(block, _halve(time_stride))


_BLOCKS = {"plain": _plain, "mfm": _max_feature_map, "residual": _residual}


def _halve(time_stride: int) -> nn.MaxPool2d:
    # ceil_mode: a map of one bin or one frame stays one, so short windows and few bins survive many blocks.
    return nn.MaxPool2d((time_stride, 2), (time_stride, 2), ceil_mode=True)


def _standardised(maps_BCTF: Tensor, dims: tuple[int, ...]) -> Tensor:
    variance, mean = torch.var_mean(maps_BCTF.float(), dim=dims, correction=0, keepdim=True)
    return ((maps_BCTF - mean) * torch.rsqrt(variance + _VARIANCE_FLOOR)).to(maps_BCTF.dtype)
