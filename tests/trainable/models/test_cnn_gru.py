from typing import ClassVar

import pytest
import torch
from model_contract import ModelContract
from onnx_export import Runtime, exported

from trainable.config import ModelConfig
from trainable.models import build_model
from trainable.models.global_cmvn import GlobalCmvn
from trainable.models.pooling import AttentiveStatistics

SMALL = {"channels": (4, 6), "gru_size": 8}
SQUEEZABLE = {"channels": (16, 20), "gru_size": 8}
"""Squeeze and excitation of four channels has one hidden unit, which may well be dead."""


class TestCnnGru(ModelContract):
    CONFIGS: ClassVar[dict[str, ModelConfig]] = {
        "default": ModelConfig(),
        "mean": ModelConfig(**SMALL, pooling="mean"),
        "max": ModelConfig(**SMALL, pooling="max"),
        "wide-kernel": ModelConfig(**SMALL, kernel_size=5),
        "frame-rate-kept": ModelConfig(**SMALL, time_strides=(1, 1)),
        "two-layers": ModelConfig(**SMALL, gru_layers=2),
        "one-way": ModelConfig(**SMALL, bidirectional=False),
        "no-normalisation": ModelConfig(**SMALL, normalise=False),
        "no-dropout": ModelConfig(**SMALL, cnn_dropout=0.0, dropout=0.0),
        "deep": ModelConfig(channels=(4, 4, 4, 4, 4, 4), gru_size=8),
        "max-feature-map": ModelConfig(**SMALL, block="mfm"),
        "residual": ModelConfig(**SMALL, block="residual"),
        "squeeze-excitation": ModelConfig(**SMALL, squeeze_excitation=True),
        "frequency-norm": ModelConfig(**SMALL, block="residual", frequency_norm=True),
        "element-dropout": ModelConfig(**SMALL, cnn_dropout_kind="element"),
        "residual-with-all": ModelConfig(
            **SQUEEZABLE,
            block="residual",
            squeeze_excitation=True,
            frequency_norm=True,
            cnn_dropout_kind="band",
            stochastic_depth=0.3,
            gru_input_dropout=0.3,
            gru_layers=2,
            pooling="mean",
        ),
        "max-feature-map-one-way": ModelConfig(
            **SQUEEZABLE, block="mfm", squeeze_excitation=True, normalise=False, bidirectional=False, pooling="max"
        ),
    }
    EXPORTED = ("residual-with-all", "max-feature-map-one-way")


class TestCausalCnnGru(ModelContract):
    CONFIGS: ClassVar[dict[str, ModelConfig]] = {
        "default": ModelConfig(causal=True),
        "frame-rate-kept": ModelConfig(**SMALL, causal=True, time_strides=(1, 1), kernel_size=5),
        "max-feature-map": ModelConfig(**SMALL, causal=True, block="mfm", time_strides=(2, 1)),
        "residual": ModelConfig(
            **SMALL, causal=True, block="residual", gru_layers=2, stochastic_depth=0.3, gru_input_dropout=0.3
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize("head", ["cosine", "one_class"])
def test_heads_and_global_normalisation_are_exported(head):
    """PyTorch takes seconds to trace a model with open sizes."""
    config, cmvn = ModelConfig(channels=(4,), gru_size=8), GlobalCmvn(torch.randn(10), torch.rand(10) + 0.5)
    model, features = build_model(config, 10, cmvn, head).eval(), torch.randn(2, 31, 10)
    with torch.inference_mode():
        torch.testing.assert_close(Runtime(exported(model, 10))(features), model(features), rtol=0, atol=1e-5)


def test_mean_normalisation_removes_a_constant_channel():
    features = torch.randn(3, 40, 20)
    channel = torch.randn(20) * 5
    for normalise in (True, False):
        model = build_model(ModelConfig(**SMALL, normalise=normalise), 20).eval()
        unmoved = torch.allclose(model(features), model(features + channel), atol=1e-3)
        assert unmoved == normalise


def test_time_strides_set_the_frame_rate_of_the_gru():
    lengths = {}
    for strides in ((2, 2), (1, 2), (1, 1)):
        model = build_model(ModelConfig(**SMALL, time_strides=strides), 20)
        model.gru.register_forward_hook(lambda _m, _i, out, s=strides: lengths.__setitem__(s, out[0].shape[1]))
        model(torch.randn(2, 64, 20))
    assert lengths == {(2, 2): 16, (1, 2): 32, (1, 1): 64}


def test_attentive_statistics_without_attention_are_mean_and_deviation():
    pooling = AttentiveStatistics(5)
    torch.nn.init.zeros_(pooling.score.weight)
    hidden = torch.randn(2, 30, 5)
    expected = torch.cat((hidden.mean(1), hidden.std(1, correction=0)), dim=1)
    torch.testing.assert_close(pooling(hidden), expected)


def test_dropout_is_off_in_evaluation():
    model, features = build_model(ModelConfig(**SMALL), 20), torch.randn(2, 40, 20)
    model.eval()
    assert torch.equal(model(features), model(features))
    model.train()
    assert not torch.equal(model(features), model(features))


@pytest.mark.parametrize("bins", [60, 80])
def test_the_default_stays_small(bins):
    assert sum(p.numel() for p in build_model(ModelConfig(), bins).parameters()) < 300_000
