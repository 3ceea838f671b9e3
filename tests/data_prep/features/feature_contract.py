"""What every kind of feature must do; one subclass a kind lists its configurations."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from miniature import speech

from data_prep.config import FeaturesConfig
from data_prep.features import FrontEnd


def extract(config: FeaturesConfig, wave_T: np.ndarray) -> np.ndarray:
    """Features ``[F, N]`` of one wave."""
    return FrontEnd(config)(torch.from_numpy(wave_T)[None])[0].numpy()


class FeatureContract:
    """Inherit, and set ``CONFIGS``: settings by name."""

    CONFIGS: ClassVar[dict[str, dict[str, Any]]] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "settings" in metafunc.fixturenames:
            metafunc.parametrize("settings", self.CONFIGS.values(), ids=self.CONFIGS.keys())

    @pytest.fixture
    def config(self, settings: dict[str, Any]) -> FeaturesConfig:
        return FeaturesConfig.model_validate(settings)

    @pytest.mark.parametrize(
        ("hops", "more", "num_frames"), [(0, 0, 1), (0, -1, 0), (1, -1, 1), (1, 0, 2), (40, 7, 41)]
    )
    def test_shape(self, config: FeaturesConfig, hops: int, more: int, num_frames: int) -> None:
        num_samples = config.window_samples + hops * config.hop_samples + more
        front_end, wave_BT = FrontEnd(config), torch.from_numpy(speech(2.0)[:num_samples])[None]
        assert front_end.num_frames(num_samples) == num_frames
        if num_frames == 0:
            with pytest.raises(ValueError, match=f"{num_samples} samples are below one window"):
                front_end(wave_BT)
        else:
            feat_BFN = front_end(wave_BT)
            assert feat_BFN.shape == (1, num_frames, config.num_bins)
            assert feat_BFN.dtype == torch.float32

    def test_a_batch_changes_no_byte(self, config: FeaturesConfig) -> None:
        front_end = FrontEnd(config)
        wave_BT = torch.from_numpy(np.stack([speech(seed=seed) for seed in range(5)]))
        for row, wave_T in zip(front_end(wave_BT), wave_BT, strict=True):
            assert torch.equal(front_end(wave_T[None].clone())[0], row)

    @pytest.mark.parametrize("level", [0.0, 1e-5, 1.0])
    def test_float16_holds_every_level(self, config: FeaturesConfig, level: float) -> None:
        """Digital silence, noise below the last bit of 16, and full scale."""
        features = extract(config, np.random.default_rng(0).uniform(-level, level, 24000).astype(np.float32))
        assert np.isfinite(features.astype(np.float16)).all()
        assert np.abs(features).max() < 1000

    @pytest.mark.parametrize("sample_rate", [8000, 24000, 44100])
    def test_sampling_rates(self, settings: dict[str, Any], sample_rate: int) -> None:
        other = {"sample_rate": sample_rate}
        if not FeaturesConfig.model_validate(settings).is_constant_q:
            other["fft_size"] = 4096
        config = FeaturesConfig.model_validate(settings | other)
        features = extract(config, speech(1.0, sample_rate))
        assert features.shape == (FrontEnd(config).num_frames(sample_rate), config.num_bins)
        assert np.isfinite(features).all()

    def test_frames_do_not_see_the_rest_of_the_wave(self, config: FeaturesConfig) -> None:
        """What streaming relies on; deltas reach a few frames further. 600 frames are more than one block."""
        wave = speech(7.0)
        reach, start, end = config.deltas * config.delta_reach, 10 * config.hop_samples, len(wave) - 3000
        whole, part = extract(config, wave), extract(config, wave[start:end])
        inner = slice(reach + 1, len(part) - reach)
        np.testing.assert_allclose(part[inner], whole[10 : 10 + len(part)][inner], atol=1e-3)

    def test_nothing_is_saved_with_a_model(self, config: FeaturesConfig) -> None:
        assert FrontEnd(config).state_dict() == {}
