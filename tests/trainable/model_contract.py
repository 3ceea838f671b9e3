"""What every architecture must do; a test class a model inherits it and lists its configurations."""

from typing import ClassVar

import pytest
import torch
from torch.nn import functional

from trainable.config import ModelConfig
from trainable.models import build_model

NUM_BINS = 20


class ModelContract:
    """Inherit, and set ``CONFIGS`` by name."""

    CONFIGS: ClassVar[dict[str, ModelConfig]] = {}

    def pytest_generate_tests(self, metafunc):
        if "config" in metafunc.fixturenames:
            metafunc.parametrize("config", self.CONFIGS.values(), ids=self.CONFIGS.keys())

    def model(self, config, seed=0, num_bins=NUM_BINS):
        torch.manual_seed(seed)
        return build_model(config, num_bins)

    def features(self, batch=4, num_frames=50, num_bins=NUM_BINS):
        return torch.randn(batch, num_frames, num_bins, generator=torch.Generator().manual_seed(1)) * 3 - 5

    @pytest.mark.parametrize("num_frames", [1, 2, 7, 50, 133])
    def test_any_length_gives_two_finite_logits(self, config, num_frames):
        logits = self.model(config).eval()(self.features(num_frames=num_frames))
        assert logits.shape == (4, 2)
        assert logits.dtype == torch.float32
        assert torch.isfinite(logits).all()

    @pytest.mark.parametrize("num_bins", [1, 5, 80])
    def test_any_number_of_bins(self, config, num_bins):
        assert self.model(config, num_bins=num_bins).eval()(self.features(num_bins=num_bins)).shape == (4, 2)

    def test_equal_seeds_give_equal_outputs(self, config):
        first, second = (self.model(config)(self.features()) for _ in range(2))
        assert torch.equal(first, second)

    def test_other_seeds_give_other_weights(self, config):
        first, second = (self.model(config, seed).eval()(self.features()) for seed in (0, 1))
        assert not torch.allclose(first, second)

    def test_gradient_reaches_every_parameter(self, config):
        model = self.model(config).train()
        functional.cross_entropy(model(self.features(batch=8, num_frames=200)), torch.tensor([0, 1] * 4)).backward()
        without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert without == []

    def test_in_evaluation_an_utterance_does_not_feel_its_batch(self, config):
        model, features = self.model(config).eval(), self.features()
        torch.testing.assert_close(model(features)[:1], model(features[:1]), rtol=1e-4, atol=1e-5)

    def test_the_input_stays_as_it_was(self, config):
        features = self.features()
        before = features.clone()
        self.model(config).train()(features)
        assert torch.equal(features, before)

    def test_bfloat16_autocast_stays_close(self, config):
        model, features = self.model(config).eval(), self.features()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(features)
        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits, model(features), rtol=0.1, atol=0.1)

    def test_weights_survive_a_state_dict(self, config):
        source, target = self.model(config, 0).eval(), self.model(config, 1).eval()
        target.load_state_dict(source.state_dict())
        assert torch.equal(source(self.features()), target(self.features()))
