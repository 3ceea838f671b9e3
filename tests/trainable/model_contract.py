"""What every architecture must do; a test class a model inherits it and lists its configurations."""

from typing import ClassVar

import pytest
import torch
from onnx_export import Runtime, exported
from torch.nn import functional

from trainable.config import ModelConfig
from trainable.models import build_model

NUM_BINS = 20
EXPORT_TOLERANCE = 1e-4
"""Of logits by onnxruntime against PyTorch's; measured: at most 4e-7."""


class ModelContract:
    """Inherit, and set ``CONFIGS`` by name.

    ``EXPORTED`` names those that are exported, which takes seconds each: every architecture at its own settings is
    exported in `tests/deploy/test_onnx_forms.py` anyway.
    """

    CONFIGS: ClassVar[dict[str, ModelConfig]] = {}
    EXPORTED: ClassVar[tuple[str, ...]] = ()

    def pytest_generate_tests(self, metafunc):
        if "config" in metafunc.fixturenames:
            metafunc.parametrize("config", self.CONFIGS.values(), ids=self.CONFIGS.keys())
        if "exported_config" in metafunc.fixturenames:
            metafunc.parametrize("exported_config", [self.CONFIGS[name] for name in self.EXPORTED], ids=self.EXPORTED)

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

    @pytest.mark.slow
    def test_as_onnx_it_gives_the_same_for_any_batch_and_length(self, exported_config):
        """PyTorch takes seconds to trace a model with open sizes."""
        model = self.trained(exported_config)
        run = Runtime(exported(model, NUM_BINS))
        for batch, num_frames in [(3, 40), (1, 1), (2, 17), (5, 50), (1, 133), (2, 601)]:
            features = self.features(batch, num_frames)
            with torch.inference_mode():
                expected = model(features)
            torch.testing.assert_close(run(features), expected, rtol=0, atol=EXPORT_TOLERANCE)

    def trained(self, config):
        """Far enough that its running statistics are those of features."""
        model = self.model(config).train()
        for _ in range(3):
            model(self.features(batch=8))
        return model.eval()
