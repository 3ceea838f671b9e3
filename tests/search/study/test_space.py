"""The search space: paths, ranges, conditions."""

from typing import Any

import optuna
import pytest

from cluster.errors import SpoofsweepError
from search.study.config import ParameterConfig
from search.study.space import SearchSpace
from trainable.config import TrialConfig

DEFAULTS = TrialConfig()


def space(**parameters: dict[str, Any]) -> SearchSpace:
    return SearchSpace({path.replace("__", "."): ParameterConfig(**values) for path, values in parameters.items()})


def draw(searched: SearchSpace, seed: int = 0) -> tuple[optuna.trial.Trial, dict[str, Any]]:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    return trial, searched.suggest(trial, DEFAULTS)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_unknown_path_names_the_nearest() -> None:
    with pytest.raises(SpoofsweepError, match=r"optimizer\.learning_rate"):
        space(optimizer__learning_rat={"low": 0.1, "high": 0.2})


def test_unknown_condition_is_refused() -> None:
    with pytest.raises(SpoofsweepError, match=r"when 'model\.poolin'"):
        space(model__dropout={"low": 0.1, "high": 0.2, "when": {"model.poolin": "mean"}})


def test_class_weight_of_zero_stops_at_check() -> None:
    with pytest.raises(SpoofsweepError, match=r"'loss.bonafide_weight' = 0.0"):
        space(loss__bonafide_weight={"low": 0.0, "high": 0.9}).check(DEFAULTS)


@pytest.mark.parametrize(
    "values",
    [
        {"low": 0.1},
        {"low": 0.2, "high": 0.1},
        {"low": 0.0, "high": 0.5, "log": True},
        {"low": 0.1, "high": 0.5, "log": True, "step": 0.1},
        {"low": 0.0, "high": 0.5, "step": 0.3},
        {},
    ],
)
def test_ill_formed_ranges_stop_at_check(values: dict[str, Any]) -> None:
    with pytest.raises(SpoofsweepError, match=r"model\.dropout"):
        space(model__dropout=values).check(DEFAULTS)


def test_wrong_choice_stops_at_check() -> None:
    with pytest.raises(SpoofsweepError, match=r"'model\.pooling' = 'median'"):
        space(model__pooling={"choices": ["mean", "median"]}).check(DEFAULTS)


def test_whole_bounds_for_whole_fields() -> None:
    with pytest.raises(SpoofsweepError, match="whole"):
        space(model__gru_size={"low": 8.5, "high": 64}).check(DEFAULTS)


def test_impossible_combination_stops_at_check() -> None:
    searched = space(
        model__channels={"choices": [[16, 32], [16, 32, 48]]}, model__time_strides={"choices": [None, [2, 1, 1]]}
    )
    with pytest.raises(SpoofsweepError, match="combination"):
        searched.check(DEFAULTS)


def test_types_follow_the_field() -> None:
    searched = space(
        model__gru_size={"low": 16, "high": 64, "step": 16},
        model__kernel_size={"low": 3, "high": 7, "step": 2},
        optimizer__weight_decay={"low": 1, "high": 2},
        model__channels={"choices": [[16, 32], [8]]},
    )
    searched.check(DEFAULTS)
    trial, point = draw(searched)
    assert isinstance(point["model.gru_size"], int)
    assert point["model.gru_size"] % 16 == 0
    assert point["model.kernel_size"] in (3, 5, 7)
    assert isinstance(point["optimizer.weight_decay"], float)
    assert trial.params["model.channels"] in ("[16, 32]", "[8]")
    config = searched.apply(DEFAULTS, trial.params)
    assert config == searched.apply(DEFAULTS, point)
    assert list(config.model.channels) == point["model.channels"]


def test_conditions_follow_parameters_and_fields() -> None:
    searched = space(
        spec_augment__time_mask_s={"low": 0.1, "high": 0.4, "when": {"spec_augment.time_masks": [1, 2]}},
        spec_augment__time_masks={"choices": [0, 1, 2]},
        model__dropout={"low": 0.1, "high": 0.4, "when": {"model.pooling": "max"}},
    )
    searched.check(DEFAULTS)
    for seed in range(20):
        _, point = draw(searched, seed)
        assert ("spec_augment.time_mask_s" in point) == (point["spec_augment.time_masks"] > 0)
        assert "model.dropout" not in point


@pytest.mark.parametrize(
    "when",
    [
        {"spec_augment.time_masks": [4]},  # drawn from 0 to 2
        {"model.pooling": "max"},  # not searched, and attentive by default
        {"model.gru_size": 32},  # in no trial itself
    ],
)
def test_a_condition_that_never_holds_is_told(when: dict[str, Any]) -> None:
    searched = space(
        model__dropout={"low": 0.1, "high": 0.4, "when": when},
        spec_augment__time_masks={"low": 0, "high": 2},
        model__gru_size={"choices": [32], "when": {"spec_augment.frequency_masks": 3}},
    )
    notes = [note for note in searched.check(DEFAULTS) if "is in no trial" in note]
    assert any("'model.dropout'" in note for note in notes)


@pytest.mark.parametrize("wanted", [[4, 2], 0, [0, 1, 2]])
def test_a_condition_that_sometimes_holds_is_not_told(wanted: Any) -> None:
    searched = space(
        model__dropout={"low": 0.1, "high": 0.4, "when": {"spec_augment.time_masks": wanted}},
        spec_augment__time_masks={"low": 0, "high": 2},
    )
    assert searched.check(DEFAULTS) == []


@pytest.mark.parametrize("path", ["budget_passes", "report_passes"])
def test_what_all_trials_share_is_not_searched(path: str) -> None:
    with pytest.raises(SpoofsweepError, match=f"all trials share; got '{path}'"):
        space(**{path: {"low": 1, "high": 2}})


def test_cycles_are_refused() -> None:
    with pytest.raises(SpoofsweepError, match="cycle"):
        space(
            model__dropout={"low": 0.1, "high": 0.2, "when": {"model.pooling": "max"}},
            model__pooling={"choices": ["max", "mean"], "when": {"model.dropout": 0.1}},
        )


def test_first_point_leaves_out_what_lies_outside() -> None:
    searched = space(
        model__dropout={"low": 0.5, "high": 0.6},
        model__gru_size={"choices": [32, 64]},
        model__channels={"choices": [[16, 32, 48]]},
        optimizer__learning_rate={"low": 1e-4, "high": 1e-2, "log": True},
    )
    assert searched.defaults(DEFAULTS) == {
        "model.gru_size": 64,
        "model.channels": "[16, 32, 48]",
        "optimizer.learning_rate": 1e-3,
    }
    (note,) = searched.check(DEFAULTS)
    assert "'model.dropout' = 0.3" in note
