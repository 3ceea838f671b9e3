"""Recurrent layers in bf16 and fp16 over long sequences, against float64.

A recurrent layer rounds its state at every frame, and the next frame forgets a share of what was wrong: where a unit
keeps the share z of its state, errors of ``u`` a frame add up to ``u / (1 - z)``, however long the sequence is. The
units of trained CNN-GRUs keep 0.6 on average, and 0.99 at most.
"""

import pytest
import torch
from roundoff import DEVICES, LOWER, UNIT, relative_error, without_dropout
from torch import nn

from trainable.config import ModelConfig
from trainable.hardware.precision import autocast, full_precision
from trainable.models import build_model
from trainable.models.recurrent import recurrent as outputs

SIZE = 16
LAYERS = [(nn.GRU, 0.5), (nn.GRU, 0.9), (nn.GRU, 0.98), (nn.LSTM, 0.5), (nn.LSTM, 0.9)]
"""With the share of its state that a unit keeps. An LSTM of random weights that keeps more is chaotic: even float32
leaves float64's course, whereas the state of a GRU is an average, which forgets."""
SECONDS = {"1 s": slice(6, 18), "10 s": slice(62, 187), "60 s": slice(625, 750)}
"""Of 12.5 frames a second: a hundred features, pooled by two three times."""
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def recurrent(kind, keep):
    """Of units that keep about the share ``keep`` of their state from frame to frame."""
    torch.manual_seed(0)
    layer = kind(SIZE, SIZE, batch_first=True)
    with torch.no_grad():
        # Both kinds have the gate that keeps the state (update, forget) as their second.
        layer.bias_ih_l0[SIZE : 2 * SIZE] += torch.logit(torch.tensor(keep))
    return layer


def sequence(num_frames=750):
    return torch.randn(8, num_frames, SIZE, generator=torch.Generator().manual_seed(1)).relu()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["float32", *LOWER])
@pytest.mark.parametrize(("kind", "keep"), LAYERS)
def test_a_minute_does_not_drift(kind, keep, precision, device):
    layer = recurrent(kind, keep).to(device)
    # As convolutions leave it: of the lower precision already, so that the state is, too.
    values = sequence().to(DTYPES[precision])
    with torch.no_grad():
        with full_precision(), autocast(precision, torch.device(device)):
            found = outputs(layer, values.to(device)).cpu()
        exact = layer.cpu().double()(values.double())[0]
    assert found.dtype == (torch.float32 if (device, precision) == ("cuda", "bf16") else DTYPES[precision])
    errors = {name: relative_error(found[:, part], exact[:, part]) for name, part in SECONDS.items()}
    assert max(errors.values()) < 4 * UNIT[precision] / (1 - keep)
    assert errors["60 s"] < 1.5 * max(errors["1 s"], errors["10 s"])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", LOWER)
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_gradients_of_twenty_seconds_stay_true(kind, precision, device):
    """Of the weights, by the last second alone, so that they have come back through all frames, and by all frames. On
    a CPU those of a GRU are summed frame by frame in the lower precision, which adds ``sqrt(T) u``."""
    keep, num_frames = 0.9, 250
    values = sequence(num_frames).to(DTYPES[precision])
    layer = recurrent(kind, keep)
    exact = gradients(layer.double()(values.double())[0], layer)
    layer = layer.float().to(device)
    with autocast(precision, torch.device(device)):
        hidden = outputs(layer, values.to(device))
    for name, gradient in gradients(hidden, layer).items():
        assert relative_error(gradient, exact[name]) < (4 / (1 - keep) + num_frames**0.5) * UNIT[precision]


def gradients(hidden_BTH, layer):
    """Of the mean of the last second, and of that of all frames, units weighed differently."""
    weight_H = torch.linspace(-1, 1, SIZE, device=hidden_BTH.device)
    parts = {"last": hidden_BTH[:, -12:], "all": hidden_BTH}
    found = {
        name: torch.autograd.grad((part.double() * weight_H).mean() * 256, list(layer.parameters()), retain_graph=True)
        for name, part in parts.items()
    }
    return {name: torch.cat([one.flatten() for one in grads]).cpu() for name, grads in found.items()}


@pytest.mark.parametrize("kind", ["cnn_gru", "edge_gru", "lcnn_bilstm"])
def test_models_with_a_recurrent_layer_do_not_drift(kind):
    """What it hands on in bf16, beside float32, from the first second to the sixtieth."""
    torch.manual_seed(0)
    model = without_dropout(build_model(ModelConfig(kind=kind, channels=(4, 6), gru_size=8), 20))
    hidden = []
    next(module for module in model.modules() if isinstance(module, nn.RNNBase)).register_forward_hook(
        lambda _module, _inputs, output: hidden.append(output[0].detach())
    )
    features = torch.randn(2, 6000, 20, generator=torch.Generator().manual_seed(1)) * 3 - 5
    with torch.no_grad():
        for precision in ("float32", "bf16"):
            with autocast(precision, torch.device("cpu")):
                model(features)
    exact, found = hidden
    second = exact.shape[1] // 60
    parts = [slice(at * second, (at + 1) * second) for at in (0, 9, 59)]
    errors = [relative_error(found[:, part], exact[:, part]) for part in parts]
    # Of a dozen layers at most, each of four roundings.
    assert max(errors) < 4 * (4 * 12) ** 0.5 * UNIT["bf16"]
    assert errors[2] < 1.5 * errors[0]
