import pytest
import torch
from torch import nn

from trainable.config import ModelConfig
from trainable.models import build_model
from trainable.models.dropouts import BandDropout, LockedDropout, StochasticDepth

KINDS = {
    "band": (BandDropout, (3000, 2, 3, 10)),
    "locked": (LockedDropout, (3000, 5, 4)),
    "depth": (StochasticDepth, (6000, 2, 3, 4)),
}


@pytest.mark.parametrize("p", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("kind", KINDS)
def test_every_value_is_dropped_as_often_and_the_mean_stays(kind, p):
    make, shape = KINDS[kind]
    torch.manual_seed(0)
    dropped = make(p).train()(torch.ones(shape))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)])
    share = (dropped == 0).float().mean(dim=0)
    torch.testing.assert_close(share, torch.full_like(share, p), rtol=0, atol=0.04)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_drawn_or_changed_in_evaluation_or_without_probability(kind):
    make, shape = KINDS[kind]
    values, before = torch.randn(shape), torch.get_rng_state()
    assert torch.equal(make(0.5).eval()(values), values)
    assert torch.equal(make(0.0).train()(values), values)
    assert torch.equal(torch.get_rng_state(), before)


def test_band_dropout_takes_one_band_of_all_channels_and_frames():
    torch.manual_seed(0)
    dropped = BandDropout(0.4).train()(torch.ones(200, 3, 5, 12)) == 0
    assert torch.equal(dropped, dropped[:, :1, :1].expand_as(dropped))
    edges = (dropped[:, 0, 0] != dropped[:, 0, 0].roll(1, dims=1)).sum(dim=1)
    assert set(edges.tolist()) == {0, 2}  # around the circle, a band begins once and ends once
    assert len(dropped[:, 0, 0].sum(dim=1).unique()) > 5  # of many widths


def test_locked_dropout_keeps_its_mask_over_time():
    dropped = LockedDropout(0.5).train()(torch.ones(8, 20, 16))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert 0 < (dropped == 0).float().mean() < 1


def test_stochastic_depth_leaves_out_whole_utterances():
    dropped = StochasticDepth(0.5).train()(torch.ones(64, 3, 4, 5)).flatten(1)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert 0 < (dropped == 0).float().mean() < 1


@pytest.mark.parametrize("kind", ["channel", "element", "band"])
def test_the_study_names_the_kind(kind):
    config = ModelConfig(channels=(4,), cnn_dropout=0.25, cnn_dropout_kind=kind)
    last = build_model(config, 10).blocks[0][-1]
    assert type(last) is {"channel": nn.Dropout2d, "element": nn.Dropout, "band": BandDropout}[kind]
    assert last.p == 0.25
