import pickle
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, model_validator

from cluster.errors import SpoofsweepError
from cluster.settings import Settings, nearest, parse_settings


class Inner(Settings):
    dropout: float = 0.1


class Pear(Settings):
    kind: Literal["pear"]
    weight: float = 1.0


class Plum(Settings):
    kind: Literal["plum"]
    stone: Inner = Inner()

    @model_validator(mode="after")
    def _ripe(self) -> "Plum":
        if self.stone.dropout > 1:
            raise ValueError("stone.dropout is too large for a plum")
        return self


Fruit = Annotated[Pear | Plum, Field(discriminator="kind")]


class Outer(Settings):
    inner: Inner = Inner()
    maybe: Inner | None = None
    named: dict[str, Inner] = Field(default_factory=dict)
    listed: tuple[Inner, ...] = ()
    paired: tuple[int, Inner] = (1, Inner())
    fruits: dict[str, tuple[Fruit, ...]] = Field(default_factory=dict)
    seed: int = 1


def test_unknown_key_names_the_nearest_one_at_its_own_level() -> None:
    with pytest.raises(SpoofsweepError, match=r"unknown key 'inner.droput' \(did you mean 'dropout'\?\)"):
        parse_settings(Outer, {"inner": {"droput": 0.5}})


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"maybe": {"droput": 0.5}}, r"maybe\.droput"),
        ({"named": {"a": {"droput": 0.5}}}, r"named\.a\.droput"),
        ({"listed": [{}, {"droput": 0.5}]}, r"listed\.1\.droput"),
        ({"paired": [2, {"droput": 0.5}]}, r"paired\.1\.droput"),
        ({"fruits": {"a": [{"kind": "plum", "stone": {"droput": 0.5}}]}}, r"fruits\.a\.0\.plum\.stone\.droput"),
    ],
)
def test_nearest_key_is_found_inside_of_collections_and_unions(values: dict[str, Any], where: str) -> None:
    with pytest.raises(SpoofsweepError, match=rf"unknown key '{where}' \(did you mean 'dropout'\?\)"):
        parse_settings(Outer, values)


def test_key_of_another_member_of_a_union_is_not_suggested() -> None:
    with pytest.raises(SpoofsweepError, match=r"'fruits\.a\.0\.pear\.stne' \(valid keys: kind, weight\)"):
        parse_settings(Outer, {"fruits": {"a": [{"kind": "pear", "stne": {}}]}})


def test_unknown_tag_of_a_union_names_the_nearest() -> None:
    with pytest.raises(
        SpoofsweepError, match=r"unknown value 'fruits\.a\.0\.kind' = 'plumm' \(did you mean 'plum'\?\)"
    ):
        parse_settings(Outer, {"fruits": {"a": [{"kind": "plumm"}]}})
    with pytest.raises(SpoofsweepError, match=r"'zzz' \(valid values: pear, plum\)"):
        parse_settings(Outer, {"fruits": {"a": [{"kind": "zzz"}]}})


def test_rule_about_several_keys_is_told_without_the_whole_section() -> None:
    with pytest.raises(SpoofsweepError) as caught:
        parse_settings(Outer, {"fruits": {"a": [{"kind": "plum", "stone": {"dropout": 7}}]}})
    assert "fruits.a.0.plum: stone.dropout is too large for a plum" in str(caught.value)
    assert "{" not in str(caught.value)


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
