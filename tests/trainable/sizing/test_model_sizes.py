"""What a model will be, before it is trained."""

import pytest
import torch

from data_prep.features_config import FeaturesConfig
from trainable.config import ModelConfig, TrialConfig
from trainable.models import MODELS, build_model
from trainable.sizing.model_sizes import ModelSizes

FEATURES = FeaturesConfig(kind="logmel", num_filters=20)
UNBOUNDED = float("inf")


def of_kind(kind: str, **settings: object) -> TrialConfig:
    return TrialConfig(model=ModelConfig.model_validate({"kind": kind, **settings}))


@pytest.mark.parametrize("kind", MODELS)
def test_the_parameters_are_those_that_will_be_trained(kind: str) -> None:
    trial = of_kind(kind)
    built = build_model(trial.model, FEATURES.num_bins)
    assert ModelSizes(FEATURES).num_parameters(trial) == sum(parameter.numel() for parameter in built.parameters())


def test_random_numbers_stay_as_they_are() -> None:
    before = torch.get_rng_state()
    sizes = ModelSizes(FEATURES)
    sizes.num_parameters(of_kind("edge_gru"))
    sizes.latency_ms(of_kind("edge_gru"), UNBOUNDED)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_larger_model_is_slower() -> None:
    sizes = ModelSizes(FEATURES)
    small = sizes.latency_ms(of_kind("cnn_gru", channels=(4, 4, 4, 4)), UNBOUNDED)
    assert 0 < 1.5 * small < sizes.latency_ms(of_kind("cnn_gru", channels=(128, 128)), UNBOUNDED)


def test_an_equal_network_is_measured_once() -> None:
    sizes, trial = ModelSizes(FEATURES), of_kind("edge_gru")
    first = sizes.latency_ms(trial, UNBOUNDED)
    other_rate = trial.model_copy(update={"precision": "float32"})
    assert sizes.latency_ms(other_rate, UNBOUNDED) == first
