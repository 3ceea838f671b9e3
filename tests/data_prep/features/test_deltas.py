import librosa
import pytest
import torch
import torchaudio

from data_prep.features.deltas import deltas, with_deltas

FEATURES = torch.randn(30, 7, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("reach", [1, 2, 3, 9])
def test_deltas_agree_with_torchaudio(reach: int) -> None:
    expected = torchaudio.functional.compute_deltas(FEATURES.T, win_length=2 * reach + 1).T
    torch.testing.assert_close(deltas(FEATURES, reach), expected)


@pytest.mark.parametrize("reach", [1, 3])
def test_deltas_agree_with_librosa_away_from_the_ends(reach: int) -> None:
    expected = librosa.feature.delta(FEATURES.numpy(), width=2 * reach + 1, axis=0)
    torch.testing.assert_close(deltas(FEATURES, reach)[reach:-reach], torch.from_numpy(expected)[reach:-reach])


def test_a_single_frame_has_no_slope() -> None:
    stacked = with_deltas(FEATURES[:1], orders=2, reach=3)
    assert torch.equal(stacked, torch.cat([FEATURES[:1], torch.zeros(1, 14)], dim=1))


def test_orders_stack() -> None:
    assert with_deltas(FEATURES, 0, 1) is FEATURES
    assert torch.equal(with_deltas(FEATURES, 2, 2)[:, 14:], deltas(deltas(FEATURES, 2), 2))
