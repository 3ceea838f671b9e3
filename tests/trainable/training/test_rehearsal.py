import pytest
import torch

from cluster.errors import SpoofsweepError
from trainable.training.rehearsal import fit, fit_windows
from trainable.training.training import Training


class NoRoom(torch.nn.Module):
    """Forgets its memory beyond some utterances at a time, as a GPU does."""

    def __init__(self, model: torch.nn.Module, most: int) -> None:
        super().__init__()
        self.model, self.most = model, most
        self.error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nand much more")
        self.sizes: list[int] = []

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(features))
        if len(features) > self.most:
            raise self.error
        return self.model(features)


def cramped(shards, toy_trial, most):
    training = Training(toy_trial(batch={"size": 12, "crop_s": 0.5}), shards, seed=1)
    training._step._forward = NoRoom(training.model, most)
    return training, training._data.batch(0)


def test_a_batch_that_does_not_fit_is_told_before_training(toy_shards, toy_trial):
    training, batch = cramped(toy_shards, toy_trial, most=5)
    with pytest.raises(SpoofsweepError, match=r"12 utterances of 50 frames: CUDA out of memory.*split_when_full"):
        fit(training._step, batch, may_split=False)


def test_a_batch_is_halved_until_it_fits(toy_shards, toy_trial):
    training, batch = cramped(toy_shards, toy_trial, most=5)
    fit(training._step, batch, may_split=True)
    assert training._step.micro_size == 3
    assert training._step._forward.sizes == [12, 6, 3, 3, 3, 3]
    assert "3 of 12 utterances at a time" in training.plan


def test_a_convolution_without_room_to_choose_counts_and_other_faults_do_not(toy_shards, toy_trial):
    training, batch = cramped(toy_shards, toy_trial, most=5)
    training._step._forward.error = RuntimeError("GET was unable to find an engine to execute this computation")
    fit(training._step, batch, may_split=True)
    assert training._step.micro_size == 3
    training, batch = cramped(toy_shards, toy_trial, most=5)
    training._step._forward.error = RuntimeError("shapes do not match")
    with pytest.raises(RuntimeError, match="shapes do not match"):
        fit(training._step, batch, may_split=True)


def test_what_never_fits_ends(toy_shards, toy_trial):
    training, batch = cramped(toy_shards, toy_trial, most=1)
    with pytest.raises(SpoofsweepError, match=r"2 utterances of 50 frames.*nothing was trained"):
        fit(training._step, batch, may_split=True)


def test_scoring_windows_that_do_not_fit_are_told():
    def score() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(SpoofsweepError, match=r"scoring windows.*validation.batch_size"):
        fit_windows(score)
