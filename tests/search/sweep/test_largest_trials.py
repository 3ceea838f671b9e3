import pytest

from search.study.config import ParameterConfig
from search.study.space import SearchSpace
from search.sweep.largest_trials import largest_trials
from trainable.config import TrialConfig


def size(trial: TrialConfig) -> int:
    """Like memory: grows with batch, crop and channels; of Transformers with attention alone."""
    if trial.model.kind == "cnn_transformer":
        return trial.batch.size * trial.model.attention_size
    return trial.batch.size * sum(trial.model.channels) * round(10 * trial.batch.crop_s)


def space(**parameters: dict) -> SearchSpace:
    named = {name.replace("__", "."): ParameterConfig(**value) for name, value in parameters.items()}
    return SearchSpace(named)


def test_the_largest_is_found_among_many_parameters() -> None:
    varied = space(
        batch__size={"low": 4, "high": 64, "step": 4},
        batch__crop_s={"low": 1.0, "high": 6.0},
        model__channels={"choices": [[4, 8], [16, 32, 48], [8, 8]]},
        optimizer__learning_rate={"low": 1e-4, "high": 1e-2, "log": True},
        model__dropout={"low": 0.0, "high": 0.5},
        loss__kind={"choices": ["cross_entropy", "focal"]},
    )
    first, *others = largest_trials(varied, TrialConfig(), size, 3)
    assert (first.batch.size, first.batch.crop_s, first.model.channels) == (64, 6.0, (16, 32, 48))
    sizes = [size(trial) for trial in (first, *others)]
    assert sizes == sorted(set(sizes), reverse=True)
    assert len(sizes) == 3


def test_every_architecture_is_climbed() -> None:
    varied = space(
        model__kind={"choices": ["cnn_gru", "cnn_transformer"]},
        batch__size={"low": 8, "high": 32},
        model__attention_size={"choices": [32, 512], "when": {"model.kind": "cnn_transformer"}},
        model__channels={"choices": [[4], [8]], "when": {"model.kind": "cnn_gru"}},
    )
    first, second = largest_trials(varied, TrialConfig(), size, 2)
    assert (first.model.kind, first.model.attention_size, first.batch.size) == ("cnn_transformer", 512, 32)
    assert first.model.channels == TrialConfig().model.channels  # does not exist there
    assert (second.model.kind, second.model.channels, second.batch.size) == ("cnn_gru", (8,), 32)


@pytest.mark.parametrize("count", [1, 3])
def test_a_study_without_a_space_has_one_size(count: int) -> None:
    assert largest_trials(space(), TrialConfig(), size, count) == [TrialConfig()]


def test_sizes_that_do_not_vary_are_there_once() -> None:
    assert len(largest_trials(space(model__dropout={"low": 0.0, "high": 0.5}), TrialConfig(), size, 3)) == 1
