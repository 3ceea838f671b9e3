import pytest
import torch

from trainable.config import SpecAugmentConfig
from trainable.data.spec_augment import is_active, spec_augment

HOP_S = 0.01


def masked(config, batch=64, num_frames=100, num_bins=40, seed=0):
    features = torch.randn(batch, num_frames, num_bins, generator=torch.Generator().manual_seed(9))
    torch.manual_seed(seed)
    return features, spec_augment(features, config, HOP_S)


def test_time_masks_are_no_longer_than_asked():
    features, result = masked(SpecAugmentConfig(time_masks=1, time_mask_s=0.2))
    rows = (features != result).all(dim=2)
    widths = rows.sum(dim=1)
    assert widths.max() == 20
    assert widths.min() == 0
    assert all(torch.diff(row.int()).abs().sum() <= 2 for row in rows)


def test_frequency_masks_are_no_wider_than_asked():
    features, result = masked(SpecAugmentConfig(frequency_masks=2, frequency_mask_share=0.1))
    widths = (features != result).all(dim=1).sum(dim=1)
    assert 4 < widths.max() <= 8
    assert len(widths.unique()) > 3


def test_masked_places_hold_the_mean_of_their_bin():
    features, result = masked(SpecAugmentConfig(time_masks=2, frequency_masks=1))
    changed = features != result
    assert changed.any()
    mean = features.mean(dim=1, keepdim=True).expand_as(features)
    assert torch.equal(result[changed], mean[changed])


def test_the_global_seed_decides():
    config = SpecAugmentConfig(time_masks=2, frequency_masks=2)
    assert torch.equal(masked(config, seed=1)[1], masked(config, seed=1)[1])
    assert not torch.equal(masked(config, seed=1)[1], masked(config, seed=2)[1])


@pytest.mark.parametrize("num_frames", [1, 5])
def test_masks_longer_than_the_crop_are_cut(num_frames):
    features, result = masked(SpecAugmentConfig(time_masks=3, time_mask_s=5.0), num_frames=num_frames)
    assert result.shape == features.shape


def test_no_masks_change_nothing():
    config = SpecAugmentConfig()
    assert not is_active(config)
    features, result = masked(config)
    assert torch.equal(features, result)
