import pytest
import torch
from torch import nn

from data_prep.config import FeaturesConfig
from trainable.config import TrialConfig
from trainable.models import build_model
from trainable.sizing.memory_estimate import MemoryEstimate, saved_bytes

FLOAT = 4


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 7), nn.Linear(7, 3)

    def forward(self, feat_BTF: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(feat_BTF)))


@pytest.fixture
def estimate() -> MemoryEstimate:
    return MemoryEstimate(FeaturesConfig(kind="logmel", num_filters=12))


@pytest.fixture
def trial() -> TrialConfig:
    return TrialConfig.model_validate(
        {"model": {"channels": [4, 6], "gru_size": 8}, "batch": {"size": 8, "crop_s": 0.5}}
    )


def with_(trial: TrialConfig, section: str, **changes: object) -> TrialConfig:
    return trial.model_copy(update={section: getattr(trial, section).model_copy(update=changes)})


def test_what_a_forward_pass_keeps_counted_by_hand() -> None:
    batch, frames = 2, 11
    # The input for the first layer's weights; what leaves ReLU, for its own gradient and for the second layer's
    # weights, once.
    by_hand = FLOAT * batch * frames * (5 + 7)
    assert saved_bytes(Tiny(), torch.randn(batch, frames, 5)) == by_hand


def test_activations_grow_with_the_batch_and_state_does_not(estimate: MemoryEstimate, trial: TrialConfig) -> None:
    sizes = [estimate.of(with_(trial, "batch", size=size)) for size in (8, 16, 24)]
    assert sizes[1] - sizes[0] == sizes[2] - sizes[1] > 0
    weights = FLOAT * sum(p.numel() for p in build_model(trial.model, 12).parameters())
    assert sizes[0] - (sizes[1] - sizes[0]) == 4 * weights  # weights, gradients and two moments
    assert estimate.of(with_(trial, "batch", size=24, micro_size=16)) == sizes[1]
    assert estimate.of(with_(trial, "averaging", kind="ema")) - sizes[0] == weights


@pytest.mark.parametrize(
    ("section", "larger"),
    [
        ("batch", {"crop_s": 1.0}),
        ("model", {"channels": (8, 6)}),
        ("model", {"gru_size": 16}),
        ("model", {"block": "residual"}),
    ],
)
def test_larger_trials_are_larger(
    estimate: MemoryEstimate, trial: TrialConfig, section: str, larger: dict[str, object]
) -> None:
    assert estimate.of(with_(trial, section, **larger)) > estimate.of(trial)


def test_nothing_random_changes(estimate: MemoryEstimate, trial: TrialConfig) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    first = estimate.of(trial)
    assert torch.equal(torch.rand(3), wanted)
    assert MemoryEstimate(FeaturesConfig(kind="logmel", num_filters=12)).of(trial) == first
