"""Takes units out of a network: channels of convolutions, hidden units of GRUs, and all that reads them.

A smaller network of the same architecture comes out, and nothing is approximated: units that have no effect can be
taken out without any.

Legend: U units of a width, K places that each of them has along an axis of a tensor.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cluster.errors import SpoofsweepError
from trainable.config import ModelConfig
from trainable.models.causal_cnn_gru import CausalCnnGru
from trainable.models.cnn_gru import CnnGru
from trainable.models.edge_gru import EdgeGru
from trainable.models.pooling import AttentiveStatistics

IntArray = NDArray[np.int64]
_NUM_GATES = 3
"""Of a GRU; PyTorch stacks them along the first axis of its tensors."""
ModuleT = TypeVar("ModuleT", bound=nn.Module)
_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Cut:
    """Where the units of a width lie in one tensor of the network."""

    tensor: str
    axis: int
    places: IntArray
    """``[U, K]``"""


@dataclass(frozen=True)
class Width:
    """Units that can be taken out one by one."""

    name: str
    setting: str
    """Where `ModelConfig` says how many they are."""
    place: int | None
    """Which entry of the setting; none if it is a number."""
    produced: tuple[Cut, ...]
    """The tensors that make the units' outputs."""
    consumed: tuple[Cut, ...]
    """The weights that the outputs are multiplied with next, at all places where they are read."""

    @property
    def size(self) -> int:
        """How many units there are."""
        return len(self.consumed[0].places)

    def size_in(self, config: ModelConfig) -> int:
        """How many units the network of ``config`` has in this place."""
        value = getattr(config, self.setting)
        return int(value if self.place is None else value[self.place])


def widths_of(model: nn.Module, config: ModelConfig) -> list[Width]:
    """The widths of a network.

    Args:
        model: as `trainable.models.build_model` makes it of ``config``.

    Raises:
        SpoofsweepError: units of this network cannot be taken out one by one.
    """
    check_sliceable(config)
    network = getattr(model, "network", model)  # behind a global normalisation
    return _WIDTHS[config.kind](network, config, _Names(model))


def check_sliceable(config: ModelConfig) -> None:
    """
    Raises:
        SpoofsweepError: units of the network cannot be taken out one by one.
    """
    found = None
    if config.kind not in _WIDTHS:
        found = f"model.kind = '{config.kind}'"
    elif config.kind == "cnn_gru":
        if config.block == "residual":  # the way past a block ties the channels of several blocks together
            found = "model.block = 'residual'"
        elif config.squeeze_excitation or config.frequency_norm:  # both look at all channels at once
            found = f"model.{'squeeze_excitation' if config.squeeze_excitation else 'frequency_norm'} = true"
    if found:
        raise SpoofsweepError(
            f"pruning knows {' and '.join(_WIDTHS)}, with plain or mfm blocks and no layer over all channels", found
        )


def sliced(weights: Mapping[str, Tensor], widths: Sequence[Width], kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights without the units that are not kept.

    Args:
        weights: the network's state.
        kept: by the names of widths, for each unit whether it stays, bool ``[U]``.
    """
    lost: defaultdict[tuple[str, int], list[IntArray]] = defaultdict(list)
    for width in widths:
        for cut in (*width.produced, *width.consumed):
            lost[cut.tensor, cut.axis].append(cut.places[~kept[width.name].numpy()].ravel())
    result = dict(weights)
    for (name, axis), places in lost.items():
        stays = torch.ones(result[name].shape[axis], dtype=torch.bool)
        stays[torch.from_numpy(np.concatenate(places))] = False
        result[name] = result[name].index_select(axis, stays.nonzero()[:, 0].to(result[name].device))
    return result


class _Names:
    """Finds the tensors of modules by their names in the state of the whole model."""

    def __init__(self, model: nn.Module) -> None:
        self._names = {module: name for name, module in model.named_modules()}

    def cut(self, module: nn.Module, tensor: str, axis: int, places: IntArray) -> Cut:
        """Places ``[U]`` or ``[U, K]`` along an axis of one of the module's own tensors."""
        return Cut(f"{self._names[module]}.{tensor}".lstrip("."), axis, places.reshape(len(places), -1))

    def normalised(self, norm: nn.BatchNorm2d) -> Iterator[Cut]:
        """The tensors of a normalisation, a value a channel."""
        return (self.cut(norm, tensor, 0, np.arange(norm.num_features)) for tensor in _NORM_TENSORS)

    def read_by_gru(self, gru: nn.GRU, places: IntArray) -> Iterator[Cut]:
        """Inputs of a GRU, of both directions."""
        return (self.cut(gru, f"weight_ih_l0{end}", 1, places) for end in _directions(gru))

    def made_by_gru(self, gru: nn.GRU, end: str) -> Iterator[Cut]:
        """Everything with the gates of one direction's units."""
        size = gru.hidden_size
        gates_UG = np.arange(size)[:, None] + size * np.arange(_NUM_GATES)
        tensors = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return (self.cut(gru, f"{tensor}_l0{end}", 0, gates_UG) for tensor in tensors)


def _cnn_gru(network: nn.Module, config: ModelConfig, names: _Names) -> list[Width]:
    assert isinstance(network, CnnGru | CausalCnnGru)
    grus = network.grus if isinstance(network, CausalCnnGru) else (network.gru, *network.further)
    layers = [_only(layer, nn.GRU) for layer in grus]
    maps = np.arange(layers[0].input_size).reshape(config.channels[-1], -1)
    widths = _map_widths(network.blocks, "channels", config.channels, names.read_by_gru(layers[0], maps), names)
    for number, layer in enumerate(layers):
        following = layers[number + 1] if number + 1 < len(layers) else None
        widths += _gru_widths(layer, f"gru[{number}]", _reader(network, following, names), names)
    return widths


def _edge_gru(network: nn.Module, config: ModelConfig, names: _Names) -> list[Width]:
    assert isinstance(network, EdgeGru)
    project, gru = network.project, network.gru
    maps = np.arange(project.in_features).reshape(config.edge_channels[-1], -1)
    blocks, size = network.blocks, np.arange(config.gru_size)
    made = (names.cut(project, "weight", 0, size), names.cut(project, "bias", 0, size))
    return [
        *_map_widths(blocks, "edge_channels", config.edge_channels, [names.cut(project, "weight", 1, maps)], names),
        Width("project", "gru_size", None, made, tuple(names.read_by_gru(gru, size))),
        *_gru_widths(gru, "gru", lambda places: [names.cut(network.classifier, "weight", 1, places)], names),
    ]


def _map_widths(
    blocks: Iterable[nn.Module], setting: str, channels: Sequence[int], reader: Iterable[Cut], names: _Names
) -> list[Width]:
    """The channels of convolution blocks, each read by the next one, the last by ``reader``."""
    blocks = list(blocks)
    convolutions = [_only(block, nn.Conv2d) for block in blocks]
    widths = []
    for number, (block, convolution) in enumerate(zip(blocks, convolutions, strict=True)):
        # A max feature map makes a channel of two outputs, one of each half.
        outputs_UK = np.arange(convolution.out_channels).reshape(-1, channels[number]).T
        tensors = ["weight"] if convolution.bias is None else ["weight", "bias"]
        made = [names.cut(convolution, tensor, 0, outputs_UK) for tensor in tensors]
        made += names.normalised(_only(block, nn.BatchNorm2d))
        following = convolutions[number + 1 : number + 2]
        read = [names.cut(each, "weight", 1, np.arange(channels[number])) for each in following] or reader
        widths.append(Width(f"{setting}[{number}]", setting, number, tuple(made), tuple(read)))
    return widths


def _reader(network: CnnGru | CausalCnnGru, following: nn.GRU | None, names: _Names) -> Callable[[IntArray], list[Cut]]:
    """What reads given outputs ``[U]`` of a GRU: the next one, or pooling and classifier."""

    def cuts(places: IntArray) -> list[Cut]:
        if following is not None:
            return [*names.read_by_gru(following, places)]
        if isinstance(network, CausalCnnGru):
            return [names.cut(network.classifier, "weight", 1, places)]
        pooling, head = network.classifier.pooling, network.classifier.head
        assert isinstance(head.weight, Tensor)
        # Statistics pooling hands on means, then deviations.
        copies_UK = places[:, None] + _outputs(network.gru) * np.arange(head.weight.shape[1] // _outputs(network.gru))
        attention = [names.cut(pooling.hidden, "weight", 1, places)] if isinstance(pooling, AttentiveStatistics) else []
        return [*attention, names.cut(head, "weight", 1, copies_UK)]

    return cuts


def _gru_widths(gru: nn.GRU, name: str, reader: Callable[[IntArray], list[Cut]], names: _Names) -> list[Width]:
    """A width each direction."""
    units = np.arange(gru.hidden_size)
    return [
        Width(
            name + end,
            "gru_size",
            None,
            (*names.made_by_gru(gru, end),),
            (names.cut(gru, f"weight_hh_l0{end}", 1, units), *reader(units + number * gru.hidden_size)),
        )
        for number, end in enumerate(_directions(gru))
    ]


def _outputs(gru: nn.GRU) -> int:
    return gru.hidden_size * len(_directions(gru))


def _directions(gru: nn.GRU) -> tuple[str, ...]:
    """Endings of the names of a layer's tensors."""
    return ("", "_reverse") if gru.bidirectional else ("",)


def _only(block: nn.Module, kind: type[ModuleT]) -> ModuleT:
    """The one module of its kind."""
    (found,) = (module for module in block.modules() if isinstance(module, kind))
    return found


_WIDTHS: dict[str, Callable[[nn.Module, ModelConfig, _Names], list[Width]]] = {
    "cnn_gru": _cnn_gru,
    "edge_gru": _edge_gru,
}
