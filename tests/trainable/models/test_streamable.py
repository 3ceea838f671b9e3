"""Models that follow a stream give what they give of the whole utterance."""

import pytest
import torch

from trainable.config import ModelConfig
from trainable.models import build_model
from trainable.models.global_cmvn import GlobalCmvn
from trainable.models.streamable import Streamable

NUM_BINS = 20
SMALL = {"causal": True, "channels": (4, 6), "gru_size": 8}
CONFIGS = {
    "edge": ModelConfig(kind="edge_gru"),
    "edge-every-frame": ModelConfig(kind="edge_gru", time_strides=(1, 1, 1)),
    "edge-every-eighth": ModelConfig(kind="edge_gru", time_strides=(2, 2, 2), gru_size=16),
    "cnn": ModelConfig(causal=True),
    "cnn-every-frame": ModelConfig(**SMALL, time_strides=(1, 1), kernel_size=7),
    "cnn-late": ModelConfig(**SMALL, time_strides=(1, 2), block="mfm", kernel_size=5, gru_layers=2),
    "cnn-residual": ModelConfig(**SMALL, block="residual", stochastic_depth=0.2, gru_layers=3, cnn_dropout_kind="band"),
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS.keys())
def config(request):
    return request.param


def trained(config, global_cmvn=None, head="linear"):
    """Far enough that its running statistics are those of features."""
    torch.manual_seed(0)
    model = build_model(config, NUM_BINS, global_cmvn, head)
    for _ in range(3):
        model(features(8, 96))
    return model.eval()


def features(batch=2, num_frames=96):
    return torch.randn(batch, num_frames, NUM_BINS, generator=torch.Generator().manual_seed(num_frames)) * 3 - 5


def streamed(model, feat, steps_at_a_time):
    """All logits, of parts of so many steps, from states of zeros."""
    states = [torch.zeros(len(feat), *shape) for shape in model.state_shapes.values()]
    found = []
    for part in feat.split(steps_at_a_time * model.step_frames, dim=1):
        logits, *states = model.stream(part, *states)
        assert [state.shape[1:] for state in states] == list(model.state_shapes.values())
        found.append(logits)
    return torch.cat(found, dim=1)


@pytest.mark.parametrize("steps_at_a_time", [1, 2, 3, 5, 12])
def test_a_stream_in_any_parts_gives_the_logits_of_the_whole(config, steps_at_a_time):
    model, feat = trained(config), features()
    with torch.inference_mode():
        whole = model.step_logits(feat)
        assert whole.shape == (2, 96 // model.step_frames, 2)
        torch.testing.assert_close(streamed(model, feat, steps_at_a_time), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("num_frames", [96, 97, 103])
def test_forward_is_the_mean_of_all_whole_steps(config, num_frames):
    model, feat = trained(config), features(num_frames=num_frames)
    whole_steps = num_frames // model.step_frames * model.step_frames
    with torch.inference_mode():
        logits = model.step_logits(feat[:, :whole_steps])
        torch.testing.assert_close(model(feat), logits.mean(dim=1), rtol=0, atol=1e-5)
        assert logits.std(dim=1).min() > 1e-3


def test_what_was_said_of_a_step_stays_said(config):
    """Whatever follows; and a step hears its own last frame."""
    model, feat = trained(config), features()
    changed, last = feat.clone(), 5 * model.step_frames - 1
    changed[:, last:] += 5
    with torch.inference_mode():
        before, after = model.step_logits(feat), model.step_logits(changed)
    torch.testing.assert_close(before[:, :4], after[:, :4], rtol=0, atol=1e-5)
    assert (before[:, 4] - after[:, 4]).abs().max() > 1e-4


def test_an_utterance_shorter_than_a_step_repeats():
    model = trained(CONFIGS["edge-every-eighth"])
    feat = features(num_frames=3)
    with torch.inference_mode():
        torch.testing.assert_close(model(feat), model(feat.repeat(1, 3, 1)[:, :8]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("head", ["linear", "cosine", "one_class"])
def test_every_head_streams_behind_global_normalisation(config, head):
    model = trained(config, GlobalCmvn(torch.randn(NUM_BINS), torch.rand(NUM_BINS) + 0.5), head)
    feat = features()
    with torch.inference_mode():
        torch.testing.assert_close(streamed(model, feat, 1).mean(dim=1), model(feat), rtol=0, atol=1e-5)
        scaled = (feat - model.cmvn.mean_F) / model.cmvn.std_F
        torch.testing.assert_close(model.network(scaled), model(feat), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["cnn_gru", "cnn_transformer", "cnn_conformer", "lcnn_bilstm", "graph"])
def test_who_looks_ahead_says_so(kind):
    assert not isinstance(build_model(ModelConfig(kind=kind), NUM_BINS), Streamable)


def test_the_causal_cnn_does_not_heed_what_a_stream_cannot_have():
    plain = ModelConfig(**SMALL, bidirectional=False, pooling="mean", normalise=False)
    first, second = (trained(config)(features()) for config in (plain, ModelConfig(**SMALL)))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ({"squeeze_excitation": True}, "squeeze_excitation looks at the whole utterance.*model.causal"),
        ({"frequency_norm": True}, "frequency_norm looks at the whole utterance.*model.causal"),
        ({"kind": "graph"}, "graph looks at the whole utterance"),
    ],
)
def test_what_looks_at_the_whole_utterance_is_not_causal(setting, what):
    with pytest.raises(ValueError, match=what):
        ModelConfig(**SMALL, **setting)


def test_edge_gru_has_so_many_blocks():
    with pytest.raises(ValueError, match="3 blocks"):
        ModelConfig(kind="edge_gru", channels=(8,) * 4, time_strides=(2, 2, 2, 2))
