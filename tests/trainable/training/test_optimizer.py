import pytest
import torch

from trainable.config import ModelConfig, OptimizerConfig
from trainable.models import build_model
from trainable.training.optimizer import AdamW


def model_with_gradients():
    torch.manual_seed(0)
    return build_model(ModelConfig(channels=(4, 6), gru_size=8, cnn_dropout=0, dropout=0), 12)


def descend(model, optimizer, num_steps, before_step=lambda: None):
    features = torch.randn(8, 40, 12, generator=torch.Generator().manual_seed(1))
    for _ in range(num_steps):
        optimizer.zero_grad()
        model(features).square().sum().backward()
        before_step()
        optimizer.step()


def test_it_is_pytorchs_own_adamw():
    config = OptimizerConfig(learning_rate=0.01, weight_decay=0.1)
    ours, theirs = model_with_gradients(), model_with_gradients()
    descend(ours, AdamW(ours, config), 5)
    groups = [
        {"params": [p for p in theirs.parameters() if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in theirs.parameters() if p.dim() <= 1], "weight_decay": 0.0},
    ]
    descend(theirs, torch.optim.AdamW(groups, lr=0.01, fused=True), 5)
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other), name


def test_norms_and_biases_do_not_decay():
    model = model_with_gradients()
    optimizer = AdamW(model, OptimizerConfig(weight_decay=0.1))
    decay = {p: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    by_name = {name: decay[p] for name, p in model.named_parameters()}
    assert {by_name[name] for name in by_name if name.endswith("bias")} == {0.0}
    assert by_name["normalise.scale.weight"] == 0.0
    assert by_name["gru.weight_hh_l0"] == by_name["classifier.head.weight"] == by_name["blocks.0.0.weight"] == 0.1


def test_restored_state_goes_on_alike():
    config = OptimizerConfig(learning_rate=0.01)
    model, copy = model_with_gradients(), model_with_gradients()
    optimizer = AdamW(model, config)
    descend(model, optimizer, 3)
    copy.load_state_dict(model.state_dict())
    restored = AdamW(copy, config)
    restored.restore({name: value.clone() for name, value in optimizer.state_tensors().items()})
    descend(model, optimizer, 3)
    descend(copy, restored, 3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), copy.parameters(), strict=True))


def test_a_scaler_skips_steps_with_infinite_gradients():
    model = model_with_gradients()
    optimizer = AdamW(model, OptimizerConfig())
    scaler = torch.amp.GradScaler("cpu")
    before = [p.clone() for p in model.parameters()]
    loss = model(torch.randn(2, 20, 12)).sum() * float("inf")
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert scaler.get_scale() == pytest.approx(65536 / 2)
