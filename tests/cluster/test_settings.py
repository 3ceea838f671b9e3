import pickle

import pytest

from cluster.errors import SpoofsweepError
from cluster.settings import Settings, nearest, parse_settings


class Inner(Settings):
    dropout: float = 0.1


class Outer(Settings):
    inner: Inner = Inner()
    seed: int = 1


def test_unknown_key_names_the_nearest_one_at_its_own_level() -> None:
    with pytest.raises(SpoofsweepError, match=r"unknown key 'inner.droput' \(did you mean 'dropout'\?\)"):
        parse_settings(Outer, {"inner": {"droput": 0.5}})


def test_far_off_key_lists_the_valid_ones() -> None:
    assert nearest("zzz", ["b", "a"]) == "valid keys: a, b"


def test_every_problem_is_reported_at_once_with_its_value() -> None:
    with pytest.raises(SpoofsweepError) as caught:
        parse_settings(Outer, {"inner": {"dropout": "much"}, "seed": 1.5}, "study file a.toml")
    assert "study file a.toml" in str(caught.value)
    assert "'inner.dropout' = 'much'" in str(caught.value)
    assert "'seed' = 1.5" in str(caught.value)


def test_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(SpoofsweepError("rule", 3, "remedy")))
    assert str(error) == "rule; got 3; remedy"
    assert (error.rule, error.value, error.remedy) == ("rule", 3, "remedy")
