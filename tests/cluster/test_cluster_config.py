import pytest
from pydantic import ValidationError

from cluster.config import MOST_TRIALS_PER_GPU, ClusterConfig
from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings


@pytest.mark.parametrize(
    ("values", "share", "device"),
    [
        ({}, 0.0, "cpu"),
        ({"gpus_per_trial": 0.0}, 0.0, "cpu"),
        ({"gpus_per_trial": 0.5}, 0.5, "cuda"),
        ({"gpus_per_trial": 2.0}, 2.0, "cuda"),
        ({"trials_per_gpu": 1}, 1.0, "cuda"),
        ({"trials_per_gpu": 4}, 0.25, "cuda"),
    ],
)
def test_a_trials_part_of_a_gpu(values: dict, share: float, device: str) -> None:
    config = ClusterConfig(**values)
    assert (config.gpu_share, config.device, config.uses_gpu) == (share, device, device == "cuda")


@pytest.mark.parametrize("trials", range(1, MOST_TRIALS_PER_GPU + 1))
def test_as_many_as_asked_fit_as_ray_counts(trials: int) -> None:
    share = ClusterConfig(trials_per_gpu=trials).gpu_share
    assert 10_000 // round(10_000 * share) == trials
    assert int(1 / share) == trials  # as places are counted


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"trials_per_gpu": "auto"}, 'cluster.trials_per_gpu = "auto"'),
        ({"trials_per_gpu": 4}, "cluster.trials_per_gpu = 4"),
        ({"gpus_per_trial": 0.5}, "cluster.gpus_per_trial = 0.5"),
    ],
)
def test_the_setting_is_shown_as_a_study_file_has_it(values: dict, shown: str) -> None:
    assert ClusterConfig(**values).gpu_setting == shown


def test_auto_has_to_be_settled_first() -> None:
    config = ClusterConfig(trials_per_gpu="auto")
    assert config.uses_gpu
    with pytest.raises(SpoofsweepError, match="must be measured before trials run"):
        _ = config.gpu_share
    assert config.packed(3).gpu_share == 0.3333


@pytest.mark.parametrize("value", ["many", 0, 49, 2.5, True])
def test_what_is_neither_auto_nor_a_number_is_refused_once(value: object) -> None:
    with pytest.raises(
        SpoofsweepError, match=r"'trials_per_gpu' = .*it must be \"auto\", or a whole number from 1"
    ) as e:
        parse_settings(ClusterConfig, {"trials_per_gpu": value})
    assert str(e.value).count("trials_per_gpu") == 1


def test_both_ways_of_saying_it_are_refused() -> None:
    with pytest.raises(ValidationError, match="either trials_per_gpu or gpus_per_trial"):
        ClusterConfig(trials_per_gpu=2, gpus_per_trial=0.0)
