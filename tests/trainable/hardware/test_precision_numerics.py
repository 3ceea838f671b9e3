"""Every architecture and every loss in bf16 and fp16, against float32."""

import math

import pytest
import torch
from roundoff import DEVICES, LOWER, UNIT, relative_error, run, without_dropout
from torch import nn

from trainable.config import LossConfig, ModelConfig
from trainable.hardware.precision import autocast
from trainable.models import MODELS, build_model
from trainable.models.blocks import InputNormalisation
from trainable.models.classifier import Classifier
from trainable.models.global_cmvn import GlobalCmvn
from trainable.models.graph_layers import GraphAttention, GraphPooling, HeterogeneousAttention
from trainable.models.losses import LOSSES, WeightedLoss, head_of

NUM_BINS = 20
SMALL = {"channels": (8, 12), "gru_size": 16, "attention_size": 16, "attention_heads": 2}
VARIANTS = {kind: ModelConfig(kind=kind, **SMALL) for kind in MODELS} | {
    "residual": ModelConfig(**SMALL, block="residual", pooling="mean"),
    "max-feature-map": ModelConfig(**SMALL, block="mfm", pooling="max"),
    "squeeze-excitation": ModelConfig(**SMALL, squeeze_excitation=True),
    "frequency-norm": ModelConfig(**SMALL, frequency_norm=True, gru_layers=2),
}
SMOOTH = [name for name in VARIANTS if name != "graph"]
"""Whose outputs change little where their inputs do; a graph network drops the nodes that are rated lowest."""
LABELS = torch.tensor([0, 1] * 4)


def features(num_frames=100):
    """Like log energies: far from zero, each utterance with a rhythm of its own."""
    generator = torch.Generator().manual_seed(1)
    rhythm_BT1 = torch.outer(torch.linspace(0.1, 1.0, len(LABELS)), torch.arange(num_frames))[..., None]
    wave_BTF = torch.sin(rhythm_BT1 + torch.arange(NUM_BINS))
    return torch.randn(wave_BTF.shape, generator=generator) + 3 * wave_BTF - 5


def network(config, loss=None, device="cpu"):
    torch.manual_seed(0)
    return without_dropout(build_model(config, NUM_BINS, head=head_of(loss or LossConfig()))).to(device)


def num_roundings(model):
    """Along one path: each layer with weights rounds its inputs, its weights and its outputs, and what follows it
    (normalisation, gate, residual sum) once more."""
    layers = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.MultiheadAttention, nn.RNNBase)
    return 4 * sum(getattr(module, "num_layers", 1) for module in model.modules() if isinstance(module, layers))


def compare(config, precision, device, loss=None):
    """Errors of logits and of gradients against float32's, each as a share of its tolerance.

    Logits: ``n`` roundings of ``u`` add up to ``sqrt(n) u``. Normalisation and the comparison of utterances, whose
    common part tells nothing, can enlarge that; the tolerance is 4 of it, relative to how logits differ in the batch.

    Gradients: ReLU, maxima and poolings switch where an activation is within its own error ``e`` of the kink, of normal
    ones a share of ``0.8 e``, and each switch takes the whole gradient from one place to another. So the square of the
    error grows by ``1.6 e`` a layer, ``e = sqrt(4 l) u`` in layer ``l``; summed over ``n / 4`` layers, its root is
    ``1.5 (n / 4)^0.75 sqrt(u)``. It falls with the root of ``u`` where that of smooth layers falls with ``u``.
    """
    loss, unit = loss or LossConfig(), UNIT[precision]
    model, weighted = network(config, loss, device), WeightedLoss(loss, 0.5).to(device)
    batch = features().to(device), LABELS.to(device)
    exact, found = (run(model, weighted, *batch, kind) for kind in ("float32", precision))
    spread_BC = exact.logits - exact.logits.mean(dim=0)
    n = num_roundings(model)
    logits = relative_error(found.logits, exact.logits, spread_BC) / (4 * math.sqrt(n) * unit)
    gradient = relative_error(found.gradient, exact.gradient) / (1.5 * (n / 4) ** 0.75 * math.sqrt(unit))
    return logits, gradient


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", LOWER)
@pytest.mark.parametrize("name", SMOOTH)
def test_architectures_stay_within_what_the_format_rounds(name, precision, device):
    logits, gradient = compare(VARIANTS[name], precision, device)
    assert logits < 1
    assert gradient < 1


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", LOWER)
@pytest.mark.parametrize("kind", LOSSES)
def test_losses_stay_within_what_the_format_rounds(kind, precision, device):
    logits, gradient = compare(VARIANTS["cnn_gru"], precision, device, LossConfig(kind=kind))
    assert logits < 1
    assert gradient < 1


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", LOWER)
def test_graphs_are_computed_in_float32(precision, device):
    """Which nodes are kept hangs on small differences: of equal maps, the graphs make equal logits in any precision;
    the maps are within what the format rounds."""
    model, feat = network(VARIANTS["graph"], device=device), features().to(device)
    maps = []
    handle = model.blocks.register_forward_hook(lambda _module, _inputs, output: maps.append(output.detach()))
    with torch.no_grad():
        model(feat)
        with autocast(precision, feat.device):
            model(feat)
        handle.remove()
        assert relative_error(maps[1], maps[0]) < 4 * math.sqrt(num_roundings(model.blocks)) * UNIT[precision]
        model.blocks = Constant(maps[0])
        exact = model(feat)
        with autocast(precision, feat.device):
            assert torch.equal(model(feat), exact)


class Constant(nn.Module):
    """Gives the same whatever comes in."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, _):
        return self.value


FULL = (InputNormalisation, GlobalCmvn, Classifier, GraphAttention, GraphPooling, HeterogeneousAttention)


@pytest.mark.parametrize("precision", LOWER)
@pytest.mark.parametrize("name", VARIANTS)
def test_what_must_be_in_float32_is(name, precision):
    """Features until they are normalised, pooling and head, graphs; while the layers between are not."""
    model = build_model(VARIANTS[name], NUM_BINS, GlobalCmvn(torch.full((NUM_BINS,), -5.0), torch.ones(NUM_BINS)))
    outputs = {}

    def remember(module, _inputs, output):
        outputs[module] = output[0] if isinstance(output, tuple) else output

    for module in model.modules():
        module.register_forward_hook(remember)
    with torch.no_grad(), autocast(precision, torch.device("cpu")):
        logits = model(features(num_frames=20))
    assert logits.dtype == torch.float32
    assert {output.dtype for module, output in outputs.items() if isinstance(module, FULL)} == {torch.float32}
    lower = {torch.bfloat16, torch.float16}
    assert {output.dtype for module, output in outputs.items() if isinstance(module, nn.Conv2d)} <= lower
    assert {output.dtype for module, output in outputs.items() if isinstance(module, nn.RNNBase)} <= lower
