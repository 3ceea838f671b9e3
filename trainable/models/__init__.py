"""Architectures by name.

A model maps ``feat_BTF`` (float32, any number of frames) to ``logits_BC`` (spoof = 0, bona fide = 1). Those that can
follow a stream are `trainable.models.streamable.Streamable`.
"""

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from trainable.config import ModelConfig
from trainable.models.causal_cnn_gru import CausalCnnGru
from trainable.models.cnn_attention import CnnConformer, CnnTransformer
from trainable.models.cnn_gru import CnnGru
from trainable.models.edge_gru import EdgeGru
from trainable.models.global_cmvn import GlobalCmvn
from trainable.models.graph import SpectroTemporalGraph
from trainable.models.heads import Head
from trainable.models.lcnn_bilstm import LcnnBilstm
from trainable.models.streamable import NormalisedStreamable, Streamable

MODELS: dict[str, Callable[[ModelConfig, int, Head], nn.Module]] = {
    "cnn_gru": CnnGru,
    "cnn_transformer": CnnTransformer,
    "cnn_conformer": CnnConformer,
    "lcnn_bilstm": LcnnBilstm,
    "graph": SpectroTemporalGraph,
    "edge_gru": EdgeGru,
}


def build_model(
    config: ModelConfig, num_bins: int, global_cmvn: GlobalCmvn | None = None, head: Head = "linear"
) -> nn.Module:
    """The architecture that ``config.kind`` names, for features of ``num_bins`` bins, freshly initialised.

    Args:
        global_cmvn: stands in front of the network, for features that are to be normalised globally.
        head: the last layer, as the loss wants it.
    """
    architecture = CausalCnnGru if config.causal and config.kind == "cnn_gru" else MODELS[config.kind]
    network = architecture(config, num_bins, head)
    if global_cmvn is None:
        return network
    if isinstance(network, Streamable):
        return NormalisedStreamable(global_cmvn, network)
    return nn.Sequential(OrderedDict(cmvn=global_cmvn, network=network))
