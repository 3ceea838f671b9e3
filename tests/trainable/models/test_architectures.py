"""The architectures beside the CNN-GRU."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from courses import assert_resumes_exactly
from model_contract import ModelContract

from data_prep.shards import ShardSet
from trainable.config import ModelConfig
from trainable.models import MODELS, build_model
from trainable.models.blocks import FrequencyNormalisation, MaxFeatureMap, SqueezeExcitation
from trainable.models.cnn_attention import _positions
from trainable.models.graph_layers import GraphPooling

SMALL = {"channels": (4, 6), "attention_size": 16, "attention_heads": 2}


class TestCnnTransformer(ModelContract):
    CONFIGS: ClassVar[dict[str, ModelConfig]] = {
        "default": ModelConfig(kind="cnn_transformer"),
        "mean": ModelConfig(kind="cnn_transformer", **SMALL, pooling="mean"),
    }


class TestCnnConformer(ModelContract):
    CONFIGS: ClassVar[dict[str, ModelConfig]] = {
        "default": ModelConfig(kind="cnn_conformer"),
        "one-layer": ModelConfig(kind="cnn_conformer", **SMALL, attention_layers=1, time_strides=(2, 1)),
    }


class TestLcnnBilstm(ModelContract):
    CONFIGS: ClassVar[dict[str, ModelConfig]] = {"published": ModelConfig(kind="lcnn_bilstm", dropout=0.7)}


class TestGraph(ModelContract):
    CONFIGS: ClassVar[dict[str, ModelConfig]] = {"published": ModelConfig(kind="graph", dropout=0.5)}


class TestEdgeGru(ModelContract):
    CONFIGS: ClassVar[dict[str, ModelConfig]] = {
        "default": ModelConfig(kind="edge_gru"),
        "frame-rate-kept": ModelConfig(kind="edge_gru", time_strides=(1, 1, 1)),
        "quarter-of-the-frame-rate": ModelConfig(kind="edge_gru", time_strides=(2, 2, 1)),
    }


@pytest.mark.parametrize(("kind", "causal"), [*((kind, False) for kind in MODELS), ("cnn_gru", True)])
def test_killed_training_resumes_bit_for_bit(
    toy_shards: ShardSet, toy_trial, tmp_path: Path, kind: str, causal: bool
) -> None:
    config = toy_trial(model={**SMALL, "kind": kind, "causal": causal, "gru_size": 8}, budget_passes=1.0)
    assert_resumes_exactly(config, toy_shards, tmp_path / "checkpoint", steps=2)


def num_parameters(config: ModelConfig, num_bins: int) -> int:
    return sum(parameter.numel() for parameter in build_model(config, num_bins).parameters())


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("num_bins", [40, 60, 80, 120])
def test_every_model_stays_below_a_million_parameters(kind: str, num_bins: int) -> None:
    assert num_parameters(ModelConfig(kind=kind), num_bins) < 1_000_000


def test_published_sizes() -> None:
    """LCNN-BiLSTM with 60 LFCC 0.28 M (Wang and Yamagishi 2021), of which 6,336 in the embedding before its own loss;
    AASIST-L 85,306 (Jung et al. 2022)."""
    assert num_parameters(ModelConfig(kind="lcnn_bilstm"), 60) + 6_336 - 194 == pytest.approx(276_000, rel=0.001)
    assert num_parameters(ModelConfig(kind="graph"), 60) == pytest.approx(85_306, rel=0.03)


@pytest.mark.parametrize("num_bins", [40, 60, 80])
def test_the_model_for_phones_is_small(num_bins: int) -> None:
    assert num_parameters(ModelConfig(kind="edge_gru", gru_size=64), num_bins) < 50_000


def test_max_feature_map_takes_the_larger_half() -> None:
    maps = torch.randn(2, 6, 3, 4)
    assert torch.equal(MaxFeatureMap()(maps), torch.where(maps[:, :3] > maps[:, 3:], maps[:, :3], maps[:, 3:]))


def test_squeeze_and_excitation_weighs_channels_alike_everywhere() -> None:
    maps = torch.rand(2, 8, 5, 6) + 0.1
    ratio = SqueezeExcitation(8)(maps) / maps
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1].expand_as(ratio))
    assert ((ratio > 0) & (ratio < 1)).all()


def test_frequency_normalisation_takes_out_half_of_a_coloured_channel() -> None:
    maps = torch.randn(2, 4, 50, 6)
    colour = torch.linspace(-3, 3, 6)
    alone, coloured = FrequencyNormalisation()(maps), FrequencyNormalisation()(maps + colour)
    offset = (coloured - alone).mean(dim=(0, 1, 2))
    assert offset.abs().max() < 0.6 * colour.std()
    assert offset.abs().max() > 0.1


def test_positions_are_those_of_the_paper() -> None:
    """Sine of position over 10000^(2i/size) at 2i, cosine at 2i + 1."""
    table = _positions(torch.zeros(1, 30, 8))
    assert table[7, 4].item() == pytest.approx(float(torch.sin(torch.tensor(7 / 10_000 ** (4 / 8)))), abs=1e-6)
    assert table[7, 5].item() == pytest.approx(float(torch.cos(torch.tensor(7 / 10_000 ** (4 / 8)))), abs=1e-6)


def test_graph_pooling_keeps_the_nodes_rated_highest() -> None:
    pooling = GraphPooling(3, 0.5).eval()
    nodes = torch.randn(2, 8, 3)
    rates = torch.sigmoid(pooling.rate(nodes))[..., 0]
    kept = pooling(nodes)
    best = rates.argmax(dim=1)
    assert kept.shape == (2, 4, 3)
    for row in range(2):
        torch.testing.assert_close(kept[row, 0], nodes[row, best[row]] * rates[row, best[row]])
