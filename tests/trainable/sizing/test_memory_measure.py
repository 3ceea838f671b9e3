import pytest
import torch

from cluster.errors import SpoofsweepError
from trainable.sizing.memory_measure import measure


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_measuring_without_a_gpu_is_refused(toy_shards, toy_trial) -> None:
    with pytest.raises(SpoofsweepError, match="needs a GPU that torch can use"):
        measure([toy_trial()], str(toy_shards.folder), "toy", ())


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: its memory is measured")
def test_larger_trials_take_more(toy_shards, toy_trial) -> None:
    """Slow: every trial starts a process."""
    trials = [toy_trial(), toy_trial(batch={"size": 512, "crop_s": 10.0}, model={"channels": [64, 64]})]
    memory = measure(trials, str(toy_shards.folder), "toy", (("A01",), ("A02",)))
    small, large = memory.trial_bytes
    assert 0 < small < large < memory.usable_bytes <= memory.total_bytes
