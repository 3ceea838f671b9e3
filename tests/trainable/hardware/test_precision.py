import subprocess
import sys

import pytest
import torch
from courses import assert_resumes_exactly, equal_weights, numbers, weights
from roundoff import LOWER, UNIT

from trainable.hardware import precision
from trainable.training.training import Training

CPU = torch.device("cpu")


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "float32")])
def test_auto_uses_bf16_on_a_cpu_only_where_it_is_native(monkeypatch, native, expected):
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: native)
    assert precision.resolve_precision("auto", CPU) == expected


def test_cpu_support_agrees_with_the_kernel():
    with open("/proc/cpuinfo") as file:
        flags = file.read().split()
    assert precision.cpu_has_bf16() == ("avx512_bf16" in flags or "amx_tile" in flags)


@pytest.mark.parametrize("wanted", ["float32", "bf16", "fp16"])
def test_what_is_asked_for_by_name_is_given(wanted):
    assert precision.resolve_precision(wanted, CPU) == wanted


@pytest.mark.parametrize(
    ("wanted", "dtype"), [("float32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_autocast_computes_in_the_precision(wanted, dtype):
    with precision.autocast(wanted, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize("deterministic", [True, False])
def test_algorithms_are_chosen_inside_alone(deterministic):
    before = torch.get_deterministic_debug_mode(), torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    with precision.algorithms(CPU, deterministic):
        assert torch.backends.cudnn.deterministic == deterministic
        assert torch.backends.cudnn.benchmark != deterministic
    after = torch.get_deterministic_debug_mode(), torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    assert after == before


@pytest.mark.slow
def test_training_imports_no_compiler():
    """In a process of its own, which imports PyTorch: some seconds. The compiler would cost as many in every worker."""
    program = """
import sys, torch
import trainable.training.training
from trainable.hardware.precision import algorithms, autocast, full_precision
for device in map(torch.device, ["cpu"] + ["cuda"] * torch.cuda.is_available()):
    with algorithms(device, True), full_precision(), autocast("bf16", device):
        pass
print("torch._inductor" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize("lower", LOWER)
def test_the_first_pass_takes_the_course_of_float32(toy_shards, toy_trial, lower):
    """Later ones part: each step enlarges what the one before rounded differently."""
    exact, found = (next(Training(toy_trial(precision=kind), toy_shards, seed=1)) for kind in ("float32", lower))
    for name in ("train_loss", "grad_norm"):
        assert found.metrics[name] == pytest.approx(exact.metrics[name], rel=16 * UNIT[lower])
        assert found.metrics[name] != exact.metrics[name]


@pytest.mark.parametrize("lower", LOWER)
@pytest.mark.parametrize("kind", ["cnn_gru", "cnn_transformer", "edge_gru"])
def test_killed_training_resumes_bit_for_bit(toy_shards, toy_trial, tmp_path, kind, lower):
    sizes = {"kind": kind, "channels": [4, 6], "gru_size": 8, "attention_size": 16, "attention_heads": 2}
    config = toy_trial(model=sizes, precision=lower, averaging={"kind": "ema"}, budget_passes=1.0)
    assert_resumes_exactly(config, toy_shards, tmp_path / "checkpoint", steps=2)


def overflowing(config, shards):
    """An fp16 training whose loss scale is thousands of times too large."""
    training = Training(config, shards, seed=3)
    scaler = training._step.scaler
    scaler.load_state_dict(scaler.state_dict() | {"scale": 2.0**32})
    return training


def test_fp16_skips_steps_that_overflow(toy_shards, toy_trial):
    """They leave the weights as they are and halve the scale; the batch counts as seen, and training goes on."""
    training = overflowing(toy_trial(precision="fp16", budget_passes=6.0), toy_shards)
    parameters = {name: parameter.clone() for name, parameter in training.model.named_parameters()}
    training.step()
    assert equal_weights(parameters, dict(training.model.named_parameters()))
    assert training._step.scaler.get_scale() == 2.0**31
    assert training._step.norm_sum == 0.0
    assert training.samples_seen == 8
    reports = list(training)
    assert training._step.scaler.get_scale() < 2.0**31
    assert not reports[-1].diverged
    assert reports[-1].metrics["train_loss"] < 0.9 * reports[0].metrics["train_loss"]


@pytest.mark.parametrize("steps", [1, 4])
def test_resuming_remembers_the_loss_scale(toy_shards, toy_trial, tmp_path, steps):
    config = toy_trial(precision="fp16", budget_passes=2.0)
    whole, killed = (overflowing(config, toy_shards) for _ in range(2))
    for _ in range(steps):
        killed.step()
    killed.save(tmp_path / "checkpoint")
    resumed = Training.resume(tmp_path / "checkpoint", toy_shards)
    assert resumed._step.scaler.state_dict() == killed._step.scaler.state_dict()
    list(whole), list(resumed)
    assert numbers(resumed.history) == numbers(whole.history)
    assert equal_weights(weights(resumed), weights(whole))
    assert resumed._step.scaler.state_dict() == whole._step.scaler.state_dict()
