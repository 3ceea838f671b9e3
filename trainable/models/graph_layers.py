"""Layers of graph attention networks whose nodes are all connected (Jung et al. 2022, sec. 2.2 to 3.2).

Legend: B batch, N nodes of a graph, D values of a node.
"""

import torch
from torch import Tensor, nn

_INPUT_DROPOUT = 0.2
_TEMPERATURE = 2.0
_HETEROGENEOUS_TEMPERATURE = 100.0
"""Of the attention's softmax, as published: relations between unlike graphs begin almost uniform."""


class GraphAttention(nn.Module):
    """Nodes as sums over all nodes, weighed by what the products of their values say: ``[B, N, D] -> [B, N, D']``."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(_INPUT_DROPOUT)
        self.relate = nn.Linear(num_inputs, num_outputs)
        self.weigh = nn.Linear(num_outputs, 1, bias=False)
        self.update = _Update(num_inputs, num_outputs)

    def forward(self, nodes_BND: Tensor) -> Tensor:
        nodes_BND = self.dropout(nodes_BND)
        related_BNND = torch.tanh(self.relate(nodes_BND[:, :, None] * nodes_BND[:, None]))
        attention_BNN = (self.weigh(related_BNND)[..., 0] / _TEMPERATURE).softmax(dim=-1)
        return self.update(attention_BNN @ nodes_BND, nodes_BND)


class HeterogeneousAttention(nn.Module):
    """Attention over two graphs of unlike nodes, and a master node that collects from both (sec. 3.1).

    Pairs of nodes are weighed by which graphs they come from.
    """

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.align = nn.ModuleList(nn.Linear(num_inputs, num_inputs) for _ in range(2))
        self.dropout = nn.Dropout(_INPUT_DROPOUT)
        self.relate = nn.Linear(num_inputs, num_outputs)
        self.weigh = nn.Linear(num_outputs, 3, bias=False)
        self.update = _Update(num_inputs, num_outputs)
        self.relate_master = nn.Linear(num_inputs, num_outputs)
        self.weigh_master = nn.Linear(num_outputs, 1, bias=False)
        self.update_master = _Update(num_inputs, num_outputs, normalise=False)

    def forward(self, first_BND: Tensor, second_BND: Tensor, master_B1D: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        nodes_BND = torch.cat([self.align[0](first_BND), self.align[1](second_BND)], dim=1)
        nodes_BND = self.dropout(nodes_BND)
        related_BNND = torch.tanh(self.relate(nodes_BND[:, :, None] * nodes_BND[:, None]))
        # Column 0 within the first graph, 1 within the second, 2 between them: which, by the place of both nodes.
        is_second = torch.arange(nodes_BND.shape[1], device=nodes_BND.device) >= first_BND.shape[1]
        kind_NN = torch.where(is_second[:, None] == is_second, is_second.long(), 2)
        weight_BNN3 = self.weigh(related_BNND)
        weight_BNN = weight_BNN3.gather(3, kind_NN.expand(len(nodes_BND), -1, -1)[..., None])[..., 0]
        attention_BNN = (weight_BNN / _HETEROGENEOUS_TEMPERATURE).softmax(dim=-1)
        updated_BND = self.update(attention_BNN @ nodes_BND, nodes_BND)
        related_BND = torch.tanh(self.relate_master(nodes_BND * master_B1D))
        master_attention_B1N = (self.weigh_master(related_BND) / _HETEROGENEOUS_TEMPERATURE).softmax(dim=1).mT
        master_B1D = self.update_master(master_attention_B1N @ nodes_BND, master_B1D)
        return updated_BND[:, : first_BND.shape[1]], updated_BND[:, first_BND.shape[1] :], master_B1D


class GraphPooling(nn.Module):
    """The share of nodes that a learnt projection rates highest, scaled by their rates (Gao and Ji 2019)."""

    def __init__(self, size: int, share: float) -> None:
        super().__init__()
        self.share = share
        self.dropout = nn.Dropout(0.3)
        self.rate = nn.Linear(size, 1)

    def forward(self, nodes_BND: Tensor) -> Tensor:
        rate_BN1 = torch.sigmoid(self.rate(self.dropout(nodes_BND)))
        num_kept = max(1, int(nodes_BND.shape[1] * self.share))
        kept_BN1 = rate_BN1.topk(num_kept, dim=1).indices
        return (nodes_BND * rate_BN1).gather(1, kept_BN1.expand(-1, -1, nodes_BND.shape[2]))


class _Update(nn.Module):
    """What was attended to and the node itself, each by a layer of its own, normalised over all nodes, SELU."""

    def __init__(self, num_inputs: int, num_outputs: int, normalise: bool = True) -> None:
        super().__init__()
        self.attended = nn.Linear(num_inputs, num_outputs)
        self.own = nn.Linear(num_inputs, num_outputs)
        self.norm = nn.BatchNorm1d(num_outputs) if normalise else None

    def forward(self, attended_BND: Tensor, own_BND: Tensor) -> Tensor:
        nodes_BND = self.attended(attended_BND) + self.own(own_BND)
        if self.norm is None:
            return nodes_BND
        return torch.nn.functional.selu(self.norm(nodes_BND.flatten(0, 1)).view_as(nodes_BND))
