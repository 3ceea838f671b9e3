"""Mistakes in [augmentation] are named where they stand, with the nearest valid name."""

from typing import Any

import pytest
from view_maker import chain

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from data_prep.augmentation.config import AugmentationConfig
from data_prep.config import PrepConfig


def parse(step: dict[str, Any], name: str = "classic", **policy: Any) -> AugmentationConfig:
    return parse_settings(AugmentationConfig, {"policies": {name: {"steps": [step], **policy}}}, "study file a.toml")


def test_unknown_kind_names_the_nearest() -> None:
    expected = r"unknown value 'policies\.classic\.steps\.0\.kind' = 'rawbost' \(did you mean 'rawboost'\?\)"
    with pytest.raises(SpoofsweepError, match=expected):
        parse({"kind": "rawbost"})


def test_unknown_field_of_a_step_names_the_nearest_of_its_kind() -> None:
    with pytest.raises(SpoofsweepError, match=r"unknown key 'policies.*semitnes' \(did you mean 'semitones'\?\)"):
        parse({"kind": "pitch", "semitnes": [-1, 1]})
    with pytest.raises(SpoofsweepError, match=r"did you mean 'minBiasLinNonLin'\?"):
        parse({"kind": "rawboost", "minBiasNonLin": 3})


def test_unknown_field_of_a_policy_names_the_nearest() -> None:
    with pytest.raises(SpoofsweepError, match=r"unknown key 'policies\.classic\.view' \(did you mean 'views'\?\)"):
        parse({"kind": "gain"}, view=2)


def test_missing_kind_is_told() -> None:
    with pytest.raises(SpoofsweepError, match="kind"):
        parse({"probability": 0.5})


@pytest.mark.parametrize("name", ["clean", "two words", "a,b", "", "-x"])
def test_names_that_would_confuse_are_refused(name: str) -> None:
    with pytest.raises(SpoofsweepError, match="name"):
        parse({"kind": "gain"}, name=name)


@pytest.mark.parametrize(
    "step",
    [
        {"kind": "noise", "snr_db": [20, 10]},
        {"kind": "noise", "kinds": {"music": [5, 15]}},
        {"kind": "noise", "voices": [0, 3]},
        {"kind": "noise", "colours": []},
        {"kind": "stretch", "rate": [0.0, 1.0]},
        {"kind": "speed", "rate": [-1.0, 1.0]},
        {"kind": "reverb", "rt60_s": [0.0, 0.5]},
        {"kind": "rawboost", "algorithms": [9]},
        {"kind": "rawboost", "minF": 5000, "maxF": 400},
        {"kind": "codec", "codecs": ["aac"]},
        {"kind": "band", "low_hz": [300, 4000]},
        {"kind": "clip", "share": [0.2, 0.1]},
        {"kind": "trim_silence", "at_most": 1.0},
        {"kind": "pad", "leading_s": [-1, 0]},
        {"kind": "gain", "probability": 1.5},
    ],
)
def test_values_that_make_no_sense_are_refused(step: dict[str, Any]) -> None:
    with pytest.raises(SpoofsweepError, match="classic"):
        parse(step)


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ({"kind": "noise", "snr_db": [20, 10]}, "snr_db' = [20, 10]: the first number of a range must not exceed"),
        ({"kind": "noise", "colours": ["grey"]}, "colours.0' = 'grey': Input should be"),
        ({"kind": "noise", "voices": [0, 3]}, "noise: voices [0, 3] must be two rising numbers"),
        ({"kind": "noise", "kinds": {"music": [5, 15]}}, "noise: kinds of recorded noise need a folder: music"),
        ({"kind": "clip", "share": [0.2, 0.1]}, "clip: share [0.2, 0.1] must rise"),
        ({"kind": "pad", "level_db": [10, 20]}, "pad: level_db [10.0, 20.0] must end at 0"),
        ({"kind": "band", "low_hz": [300, 4000]}, "low_hz [300.0, 4000.0] must end below the start of high_hz [3400.0"),
    ],
)
def test_a_mistake_is_told_once_with_its_value(step: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SpoofsweepError) as caught:
        parse(step)
    assert complaint in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert "Value error" not in str(caught.value)


def test_a_band_above_half_the_sampling_rate_is_refused() -> None:
    values: dict[str, Any] = {
        "corpus": {"layout": "folders", "root": "."},
        "augmentation": {
            "policies": {"thin": {"steps": [{"kind": "band", "low_hz": [0, 4000], "high_hz": [5000, 6000]}]}}
        },
    }
    assert parse_settings(PrepConfig, values).features.sample_rate == 16000
    with pytest.raises(
        SpoofsweepError, match=r"thin: low_hz \[0\.0, 4000\.0\] .* below half of features\.sample_rate 8000"
    ):
        parse_settings(PrepConfig, values | {"features": {"sample_rate": 8000}})


def test_policy_without_steps_or_views_is_refused() -> None:
    for policy in ({"steps": []}, {"steps": [{"kind": "gain"}], "views": 0}):
        with pytest.raises(SpoofsweepError, match=r"policies\.none"):
            parse_settings(AugmentationConfig, {"policies": {"none": policy}})


def test_settings_survive_json() -> None:
    config = chain(
        {"kind": "noise"}, {"kind": "rawboost", "algorithms": [1, 8]}, {"kind": "pad", "level_db": [-80, -60]}
    )
    assert AugmentationConfig.model_validate_json(config.model_dump_json()) == config
