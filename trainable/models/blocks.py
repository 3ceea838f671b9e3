"""Convolution blocks over time and frequency, and what stands before the first of them.

Legend: B batch, T frames, F feature bins, C channels.
"""

import torch
from torch import Tensor, nn

from trainable.config import ModelConfig
from trainable.models.dropouts import StochasticDepth, map_dropout

_SQUEEZE = 4
"""Reduction of the bottleneck of squeeze and excitation; 16 in the paper, whose maps have ten times the channels."""
_RELAXATION = 0.5
"""Share of the normalisation over the whole map beside that of each bin: lambda in the paper."""
_VARIANCE_FLOOR = 1e-5


class InputNormalisation(nn.Module):
    """Brings every feature bin to zero mean and unit variance: ``[B, T, F] -> [B, T, F]``.

    Cepstra differ in scale by orders of magnitude, and convolutions across bins need them alike. Batch statistics a
    bin, after the mean over the window is subtracted if asked (cepstral mean normalisation).
    """

    def __init__(self, num_bins: int, subtract_mean: bool) -> None:
        super().__init__()
        self.subtract_mean = subtract_mean
        self.scale = nn.BatchNorm1d(num_bins)

    def forward(self, feat_BTF: Tensor) -> Tensor:
        if self.subtract_mean:
            feat_BTF = feat_BTF - feat_BTF.mean(dim=1, keepdim=True)
        return self.scale(feat_BTF.flatten(0, 1)).view_as(feat_BTF)


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

    def __init__(self, num_inputs: int, num_outputs: int, kernel_size: int, skipped: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(num_inputs, num_outputs, kernel_size),
            nn.BatchNorm2d(num_outputs),
            nn.ReLU(inplace=True),
            _convolution(num_outputs, num_outputs, kernel_size),
            nn.BatchNorm2d(num_outputs),
            StochasticDepth(skipped),
        )
        self.past = nn.Identity() if num_inputs == num_outputs else _convolution(num_inputs, num_outputs, 1)

    def forward(self, maps_BCTF: Tensor) -> Tensor:
        return torch.relu(self.body(maps_BCTF) + self.past(maps_BCTF))


def convolution_block(num_inputs: int, num_outputs: int, time_stride: int, config: ModelConfig) -> nn.Sequential:
    """A block of the kind that ``config.block`` names, with dropout; halves frequency and, asked, time."""
    block = _BLOCKS[config.block](num_inputs, num_outputs, time_stride, config)
    if config.squeeze_excitation:
        block.append(SqueezeExcitation(num_outputs))
    if config.frequency_norm:
        block.append(FrequencyNormalisation())
    return block.append(map_dropout(config))


def convolution_stack(config: ModelConfig) -> nn.Sequential:
    """The blocks of ``config.channels``, ``[B, 1, T, F] -> [B, C, T', F']``."""
    widths = (1, *config.channels)
    time_strides = config.time_strides or (2,) * len(config.channels)
    blocks = nn.Sequential(
        *(convolution_block(a, b, s, config) for a, b, s in zip(widths, widths[1:], time_strides, strict=False))
    )
    # Channels-last convolutions measured 1.4 times faster on CPU; tensor cores want them too.
    return blocks.to(memory_format=torch.channels_last)


def pooled_bins(num_bins: int, num_blocks: int) -> int:
    """Bins that ``num_blocks`` blocks leave of ``num_bins``."""
    for _ in range(num_blocks):
        num_bins = (num_bins + 1) // 2
    return num_bins


def _plain(num_inputs: int, num_outputs: int, time_stride: int, config: ModelConfig) -> nn.Sequential:
    return nn.Sequential(
        _convolution(num_inputs, num_outputs, config.kernel_size),
        # Pooled first: normalisation of positive scale and ReLU keep the order of values, so the maximum is the same
        # but for a quarter of the memory traffic (the default's blocks: 133 against 197 ms a step on one core).
        _halve(time_stride),
        nn.BatchNorm2d(num_outputs),
        nn.ReLU(inplace=True),
    )


def _max_feature_map(num_inputs: int, num_outputs: int, time_stride: int, config: ModelConfig) -> nn.Sequential:
    return nn.Sequential(
        _convolution(num_inputs, 2 * num_outputs, config.kernel_size, bias=True),
        MaxFeatureMap(),
        _halve(time_stride),
        nn.BatchNorm2d(num_outputs),
    )


def _residual(num_inputs: int, num_outputs: int, time_stride: int, config: ModelConfig) -> nn.Sequential:
    block = ResidualBlock(num_inputs, num_outputs, config.kernel_size, config.stochastic_depth)
    return nn.Sequential(block, _halve(time_stride))


_BLOCKS = {"plain": _plain, "mfm": _max_feature_map, "residual": _residual}


def _convolution(num_inputs: int, num_outputs: int, kernel_size: int, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(num_inputs, num_outputs, kernel_size, padding=kernel_size // 2, bias=bias)


def _halve(time_stride: int) -> nn.MaxPool2d:
    # ceil_mode: a map of one bin or one frame stays one, so short windows and few bins survive many blocks.
    return nn.MaxPool2d((time_stride, 2), (time_stride, 2), ceil_mode=True)


def _standardised(maps_BCTF: Tensor, dims: tuple[int, ...]) -> Tensor:
    variance, mean = torch.var_mean(maps_BCTF.float(), dim=dims, correction=0, keepdim=True)
    return ((maps_BCTF - mean) * torch.rsqrt(variance + _VARIANCE_FLOOR)).to(maps_BCTF.dtype)
