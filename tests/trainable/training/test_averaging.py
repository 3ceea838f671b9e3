import pytest
import torch
from courses import assert_resumes_exactly
from torch import nn

from trainable.checkpoints.checkpoint import read_model
from trainable.config import AveragingConfig
from trainable.training.averaging import WeightAverage
from trainable.training.training import Training


def follow(config: AveragingConfig, values: list[float], half_life_steps: float = 2.0) -> float:
    """The average of a model of one weight that takes ``values`` step by step."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, values[0])
    average = WeightAverage(model, config, half_life_steps)
    for number, value in enumerate(values[1:], start=1):
        nn.init.constant_(model.weight, value)
        average.step(number / (len(values) - 1))
    return average.model.weight.item()


def test_moving_average_forgets_half_in_a_half_life() -> None:
    """From 1 to 0: after two steps a half is left, after four a quarter, but for the first step, which begins it."""
    ema = AveragingConfig(kind="ema")
    assert follow(ema, [1.0, 1.0, 0.0, 0.0]) == pytest.approx(0.5)
    assert follow(ema, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)


def test_equal_mean_over_the_end() -> None:
    swa = AveragingConfig(kind="swa", swa_start=0.5)
    assert follow(swa, [9.0, 9.0, 1.0, 2.0, 6.0]) == pytest.approx(3.0)


def test_before_it_begins_the_model_itself_counts() -> None:
    model = nn.Linear(1, 1)
    average = WeightAverage(model, AveragingConfig(kind="swa", swa_start=0.9), 1.0)
    average.step(0.5)
    assert average.model is model


@pytest.mark.parametrize("kind", ["ema", "swa"])
@pytest.mark.parametrize("steps", [2, 9])
def test_killed_training_resumes_bit_for_bit(toy_shards, toy_trial, tmp_path, kind, steps) -> None:
    """Before ``swa`` begins and after."""
    config = toy_trial(averaging={"kind": kind, "swa_start": 0.4}, budget_passes=3.0, report_passes=3.0)
    assert_resumes_exactly(config, toy_shards, tmp_path / "checkpoint", steps)


def test_the_average_is_scored_and_kept(toy_shards, toy_trial, tmp_path) -> None:
    training = Training(toy_trial(averaging={"kind": "ema"}, budget_passes=2.0), toy_shards, seed=1)
    for _ in training:
        pass
    assert training.scored_model is not training.model
    last, average = training.model.state_dict(), training.scored_model.state_dict()
    assert not torch.equal(last["gru.weight_hh_l0"], average["gru.weight_hh_l0"])
    training.write_model(tmp_path / "model")
    _, model = read_model(tmp_path / "model")
    assert torch.equal(model.state_dict()["gru.weight_hh_l0"], average["gru.weight_hh_l0"])
