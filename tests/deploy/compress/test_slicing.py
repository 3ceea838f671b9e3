"""Units taken out of networks."""

import pytest
import torch

from cluster.errors import SpoofsweepError
from deploy.compress.pruning import shrunk
from deploy.compress.slicing import sliced, widths_of
from trainable.config import ModelConfig
from trainable.models import build_model
from trainable.models.global_cmvn import GlobalCmvn

NUM_BINS = 20
NETWORKS = {
    "plain": {},
    "mean": {"pooling": "mean"},
    "mfm": {"block": "mfm", "pooling": "max"},
    "deep": {"channels": (8,), "gru_layers": 3, "pooling": "mean"},
    "one-way": {"bidirectional": False, "time_strides": (1, 2)},
    "edge": {"kind": "edge_gru"},
    "causal": {"causal": True, "block": "mfm", "gru_layers": 2, "bidirectional": False},
}


def config_of(**settings: object) -> ModelConfig:
    return ModelConfig.model_validate({"channels": (6, 8), "gru_size": 16, **settings})


def network_of(config: ModelConfig, **options):
    """With normalisations that are not the identity."""
    torch.manual_seed(0)
    model = build_model(config, NUM_BINS, **options).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                torch.nn.init.normal_(tensor)
    return model


def silence(model, widths, kept) -> None:
    """Make the weights zero that read the units that are not kept."""
    state = model.state_dict()
    for width in widths:
        for cut in width.consumed:
            places = torch.from_numpy(cut.places)[~kept[width.name]].flatten()
            state[cut.tensor].index_fill_(cut.axis, places, 0.0)


@pytest.mark.parametrize("settings", NETWORKS.values(), ids=NETWORKS)
def test_units_without_effect_can_go(settings) -> None:
    """Here every other one."""
    config = config_of(**settings)
    model = network_of(config)
    widths = widths_of(model, config)
    kept = {width.name: torch.arange(width.size) % 2 == 0 for width in widths}
    silence(model, widths, kept)
    smaller = build_model(shrunk(config, 0.5), NUM_BINS).eval()
    smaller.load_state_dict(sliced(model.state_dict(), widths, kept))
    feat_BTF = torch.randn(2, 33, NUM_BINS)
    torch.testing.assert_close(smaller(feat_BTF), model(feat_BTF), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("head", ["cosine", "one_class"])
def test_heads_of_cosines_shrink_too(head) -> None:
    config = config_of()
    model = network_of(config, head=head)
    widths = widths_of(model, config)
    kept = {width.name: torch.arange(width.size) % 2 == 0 for width in widths}
    build_model(shrunk(config, 0.5), NUM_BINS, head=head).load_state_dict(sliced(model.state_dict(), widths, kept))


@pytest.mark.parametrize("settings", NETWORKS.values(), ids=NETWORKS)
def test_every_unit_of_the_settings_is_among_the_widths(settings) -> None:
    config = config_of(**settings)
    names = [width.name for width in widths_of(network_of(config), config)]
    is_edge = config.kind == "edge_gru"
    num_recurrent = 2 if is_edge else config.gru_layers * (1 + config.bidirectional)
    num_blocks = len(config.edge_channels if is_edge else config.channels)
    assert len(set(names)) == len(names) == num_blocks + num_recurrent


def test_to_keep_everything_changes_nothing() -> None:
    config = config_of()
    model = network_of(config)
    widths = widths_of(model, config)
    same = sliced(
        model.state_dict(), widths, {width.name: torch.ones(width.size, dtype=torch.bool) for width in widths}
    )
    assert all(torch.equal(same[name], tensor) for name, tensor in model.state_dict().items())


def test_the_tensors_behind_a_global_normalisation_are_found() -> None:
    config = config_of()
    model = network_of(config, global_cmvn=GlobalCmvn(torch.zeros(NUM_BINS), torch.ones(NUM_BINS)))
    names = {cut.tensor for width in widths_of(model, config) for cut in (*width.produced, *width.consumed)}
    assert names < set(model.state_dict())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"kind": "graph"}, "model.kind = 'graph'"),
        ({"block": "residual"}, "model.block = 'residual'"),
        ({"squeeze_excitation": True}, "model.squeeze_excitation = true"),
        ({"frequency_norm": True}, "model.frequency_norm = true"),
    ],
)
def test_networks_that_cannot_be_sliced_are_refused(settings, named) -> None:
    with pytest.raises(SpoofsweepError, match=named):
        widths_of(network_of(config_of()), config_of(**settings))
