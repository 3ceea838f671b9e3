"""The time of a window on one CPU thread."""

import torch
from courses import equal_weights, weights
from torch import nn

from trainable.sizing.latency import latency_ms
from trainable.training.training import Training


class Wide(nn.Module):
    """As many products a frame as its size."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.layer = nn.Linear(12, size)
        self.head = nn.Linear(size, 2)

    def forward(self, feat_BTF):
        assert torch.get_num_threads() == 1
        assert not self.training
        return self.head(self.layer(feat_BTF).mean(dim=1))


def test_a_larger_model_takes_longer_on_one_thread():
    num_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        small, large = (latency_ms(Wide(size), 300, 12) for size in (8, 20_000))
        assert 0 < 3 * small < large
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(num_threads)


def test_the_model_is_left_as_it_is(toy_shards, toy_trial):
    training = Training(toy_trial(), toy_shards, seed=1)
    before = weights(training)
    state = torch.get_rng_state()
    assert latency_ms(training.model, 100, 12) > 0
    assert equal_weights(weights(training), before)
    assert training.model.training
    assert torch.equal(torch.get_rng_state(), state)
