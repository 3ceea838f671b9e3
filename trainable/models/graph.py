"""A spectro-temporal graph attention network of the size of AASIST-L (Jung et al. 2022), on features.

Legend: B batch, T frames, F feature bins, C channels, N nodes of a graph, D values of a node.
"""

import torch
from torch import Tensor, nn

from trainable.config import ModelConfig
from trainable.models.blocks import InputNormalisation, ResidualBlock, centred
from trainable.models.graph_layers import GraphAttention, GraphPooling, HeterogeneousAttention
from trainable.models.heads import Head, build_head

_CHANNELS = (32, 32, 24, 24)
_FREQUENCY_STRIDES = (2, 2, 1, 1)
_NODE_SIZES = (24, 32)
_BRANCH_DROPOUT = 0.2


class SpectroTemporalGraph(nn.Module):
    """``feat_BTF -> logits_BC``, of fixed layers; of the settings ``dropout`` (published: 0.5) and ``normalise`` count.

    Residual blocks make a map of which one graph takes the maximum over time, a node a bin, another the maximum over
    bins, a node a frame; two branches of heterogeneous layers relate them, and the larger of each value is read out.
    Deviations: features instead of a sinc filter bank over samples; residual blocks of 3x3 kernels, which halve time.
    """

    def __init__(self, config: ModelConfig, num_bins: int, head: Head = "linear") -> None:
        super().__init__()
        self.normalise = InputNormalisation(num_bins, config.normalise)
        widths = (1, *_CHANNELS)
        stack: list[nn.Module] = []
        for num_inputs, num_outputs, stride in zip(widths, _CHANNELS, _FREQUENCY_STRIDES, strict=False):
            stack += [ResidualBlock(num_inputs, num_outputs, centred(3)), nn.MaxPool2d((2, stride), ceil_mode=True)]
            num_bins = -(-num_bins // stride)
        self.blocks = nn.Sequential(*stack).to(memory_format=torch.channels_last)
        self.position_ND = nn.Parameter(torch.randn(num_bins, _CHANNELS[-1]))
        self.spectral = nn.Sequential(GraphAttention(_CHANNELS[-1], _NODE_SIZES[0]), GraphPooling(_NODE_SIZES[0], 0.5))
        self.temporal = nn.Sequential(GraphAttention(_CHANNELS[-1], _NODE_SIZES[0]), GraphPooling(_NODE_SIZES[0], 0.7))
        self.branches = nn.ModuleList(_Branch() for _ in range(2))
        self.branch_dropout = nn.Dropout(_BRANCH_DROPOUT)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = build_head(head, 5 * _NODE_SIZES[1])

    def forward(self, feat_BTF: Tensor) -> Tensor:
        maps_BCTF = self.blocks(self.normalise(feat_BTF).unsqueeze(1))
        # Which nodes are kept hangs on small differences, so graphs are in float32 under any autocast.
        with torch.autocast(feat_BTF.device.type, enabled=False):
            size_BCTF = maps_BCTF.float().abs()
            spectral_BND = self.spectral(size_BCTF.amax(dim=2).transpose(1, 2) + self.position_ND)
            temporal_BND = self.temporal(size_BCTF.amax(dim=3).transpose(1, 2))
            read = [branch(temporal_BND, spectral_BND) for branch in self.branches]
            parts = [torch.maximum(*(self.branch_dropout(part) for part in pair)) for pair in zip(*read, strict=True)]
            return self.classifier(self.dropout(_read_out(*parts)))


class _Branch(nn.Module):
    """Two heterogeneous layers, the second past the first; nodes in halves between them."""

    def __init__(self) -> None:
        super().__init__()
        self.master_1D = nn.Parameter(torch.randn(1, _NODE_SIZES[0]))
        self.first = HeterogeneousAttention(*_NODE_SIZES)
        self.pool_temporal, self.pool_spectral = GraphPooling(_NODE_SIZES[1], 0.5), GraphPooling(_NODE_SIZES[1], 0.5)
        self.second = HeterogeneousAttention(_NODE_SIZES[1], _NODE_SIZES[1])

    def forward(self, temporal_BND: Tensor, spectral_BND: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        master_B1D = self.master_1D.expand(len(temporal_BND), 1, -1)
        temporal_BND, spectral_BND, master_B1D = self.first(temporal_BND, spectral_BND, master_B1D)
        temporal_BND, spectral_BND = self.pool_temporal(temporal_BND), self.pool_spectral(spectral_BND)
        more = self.second(temporal_BND, spectral_BND, master_B1D)
        return temporal_BND + more[0], spectral_BND + more[1], master_B1D + more[2]


def _read_out(temporal_BND: Tensor, spectral_BND: Tensor, master_B1D: Tensor) -> Tensor:
    """Largest magnitude and mean over the nodes of each graph, and the master node: ``[B, 5 D]``."""
    parts = [master_B1D[:, 0]]
    for nodes_BND in (temporal_BND, spectral_BND):
        parts += [nodes_BND.abs().amax(dim=1), nodes_BND.mean(dim=1)]
    return torch.cat(parts, dim=1)
