"""Means and variances under autocast: computed in float32 even of maps in a lower precision and far from zero.

Legend: B batch, T frames, F feature bins, C channels, H hidden units.

What a lower precision has rounded away before a layer is lost; these compare with float64 of the same inputs, so the
error is that of the layer alone: float32's for statistics, and one rounding of what goes on in the lower precision.
"""

import pytest
import torch
from model_contract import NUM_BINS
from roundoff import LOWER, UNIT, relative_error, without_dropout
from torch import nn

from trainable.config import ModelConfig
from trainable.hardware.precision import autocast
from trainable.models import MODELS, build_model
from trainable.models.bin_scale import BinScale
from trainable.models.blocks import FrequencyNormalisation, InputNormalisation, SqueezeExcitation
from trainable.models.classifier import Classifier

CPU = torch.device("cpu")
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
OFFSET, DEVIATION = -10.0, 0.1
"""Log energies of a quiet, steady recording."""
FLOAT32 = 16 * UNIT["float32"] * abs(OFFSET) / DEVIATION
"""Rounding of a value near the offset, relative to the deviation about it; sums and quotients enlarge it."""


def offset_values(*shape):
    return OFFSET + DEVIATION * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("precision", ["float32", *LOWER])
@pytest.mark.parametrize("subtract_mean", [True, False])
def test_features_are_normalised_in_float32(precision, subtract_mean):
    layer, feat_BTF = InputNormalisation(5, subtract_mean), offset_values(4, 200, 5)
    with autocast(precision, CPU):
        found_BTF = layer(feat_BTF)
    exact_BTF = feat_BTF.double()
    if subtract_mean:
        exact_BTF = exact_BTF - exact_BTF.mean(dim=1, keepdim=True)
    variance_F, mean_F = torch.var_mean(exact_BTF, dim=(0, 1), correction=0)
    assert found_BTF.dtype == torch.float32
    # The variance has a floor of 1e-5 under it.
    assert relative_error(found_BTF, (exact_BTF - mean_F) / (variance_F + 1e-5).sqrt()) < FLOAT32


@pytest.mark.parametrize("precision", LOWER)
def test_frequency_normalisation_holds_far_from_zero(precision):
    maps_BCTF = offset_values(3, 4, 50, 6).to(DTYPES[precision])
    with autocast(precision, CPU):
        found_BCTF = FrequencyNormalisation()(maps_BCTF)
    exact_BCTF = FrequencyNormalisation()(maps_BCTF.double())
    assert found_BCTF.dtype == DTYPES[precision]
    # Two halves, each rounded, and their sum.
    assert relative_error(found_BCTF, exact_BCTF) < 3 * UNIT[precision]


@pytest.mark.parametrize("precision", LOWER)
def test_squeezing_a_map_of_a_minute_sums_in_float32(precision):
    """Of 6,000 frames: a sum in bfloat16 would stand still once it is 256 times a value."""
    layer = SqueezeExcitation(8)
    maps_BCTF = (1 + torch.rand(2, 8, 6000, 4, generator=torch.Generator().manual_seed(0))).to(DTYPES[precision])
    with torch.no_grad(), autocast(precision, CPU):
        found_BCTF = layer(maps_BCTF)
    with torch.no_grad():
        exact_BCTF = layer.double()(maps_BCTF.double())
    assert relative_error(found_BCTF, exact_BCTF) < 4 * UNIT[precision]


@pytest.mark.parametrize("precision", LOWER)
@pytest.mark.parametrize("kind", MODELS)
def test_batch_statistics_are_of_float32(kind, precision):
    """Running means and variances of every layer, beside those of what went into it."""
    torch.manual_seed(0)
    model = without_dropout(build_model(ModelConfig(kind=kind, channels=(4, 6), gru_size=8), NUM_BINS))
    inputs = {}
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of the last batch
            module.register_forward_pre_hook(lambda module, args: inputs.setdefault(module, args[0].detach()))
    with torch.no_grad(), autocast(precision, CPU):
        model(offset_values(4, 40, NUM_BINS))
    assert inputs
    for module, values in inputs.items():
        channel_first = values.movedim(2 if isinstance(module, BinScale) else 1, 0)
        variance_C, mean_C = torch.var_mean(channel_first.double().flatten(1), dim=1)
        error = 64 * UNIT["float32"] * values.double().square().mean().sqrt()
        assert module.running_mean.dtype == module.running_var.dtype == torch.float32
        assert ((module.running_mean - mean_C).abs() <= error).all()
        assert ((module.running_var - variance_C).abs() <= error * (error + variance_C.sqrt())).all()


@pytest.mark.parametrize("precision", LOWER)
@pytest.mark.parametrize("pooling", ["mean", "max", "attentive"])
def test_pooling_and_head_are_in_float32(pooling, precision):
    """Hidden units that are nearly saturated over a minute: their deviation is the smallest that the format knows."""
    unit = UNIT[precision]
    hidden_BTH = (1 - 4 * unit * torch.rand(3, 750, 8, generator=torch.Generator().manual_seed(0))).to(
        DTYPES[precision]
    )
    classifier = Classifier(ModelConfig(pooling=pooling), 8, "linear").eval()
    with torch.no_grad(), autocast(precision, CPU):
        found_BC = classifier(hidden_BTH)
    with torch.no_grad():
        exact_BC = classifier.double().head(classifier.pooling(hidden_BTH.double()))
    assert found_BC.dtype == torch.float32
    assert relative_error(found_BC, exact_BC) < 16 * UNIT["float32"]
