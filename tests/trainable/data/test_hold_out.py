"""What is trained on and what is validated on when attacks are held out."""

import pandas as pd
import pytest
from pydantic import ValidationError

from cluster.errors import SpoofsweepError
from trainable.data.hold_out import HoldOutConfig, hold_out, named, resolve_folds, samples_per_pass

COUNTS = {"A01": 30, "A02": 20, "A03": 15, "A04": 10, "A05": 5}
"""Training spoofs by attack."""


def rows(split, speakers, spoofs, num_bonafide, views=1):
    """Utterances dealt out to the speakers in turn."""
    attacks = ["-"] * num_bonafide + [name for name, count in spoofs.items() for _ in range(count)]
    return [
        (f"{split}-{i}", split, speakers[i % len(speakers)], attack, "bonafide" if attack == "-" else "spoof", view)
        for i, attack in enumerate(attacks)
        for view in range(views)
    ]


def frame(*parts):
    columns = ["utterance_id", "split", "speaker", "attack", "label", "view"]
    return pd.DataFrame([row for part in parts for row in part], columns=columns)


TRAIN = rows("train", [f"T{i}" for i in range(10)], COUNTS, 40, views=2)
DEV = rows("dev", [f"D{i}" for i in range(5)], dict.fromkeys(COUNTS, 4), 10)
EVAL = rows("eval", ["E0"], {"A05": 3, "A19": 3}, 5)


@pytest.fixture
def utterances():
    return frame(TRAIN, DEV, EVAL)


def part(utterances, split):
    return utterances[utterances["split"] == split]


def attacks(utterances):
    return set(utterances["attack"]) - {"-"}


def known_speakers(utterances):
    return set(utterances["speaker"]) - {"-"}


def test_held_out_attacks_leave_training_and_are_all_that_dev_has(utterances):
    divided = hold_out(utterances, ("A02", "A05"))
    assert attacks(part(divided, "train")) == {"A01", "A03", "A04"}
    assert attacks(part(divided, "dev")) == {"A02", "A05"}
    for split in ("train", "dev"):
        bonafide = [part(u, split)[part(u, split)["label"] == "bonafide"] for u in (divided, utterances)]
        assert bonafide[0].equals(bonafide[1])
    assert part(divided, "eval").equals(part(utterances, "eval"))
    assert not known_speakers(part(divided, "train")) & known_speakers(part(divided, "dev"))


def test_nothing_held_out_changes_nothing(utterances):
    assert hold_out(utterances, ()) is utterances


def test_the_order_of_rows_decides_nothing(utterances):
    """Also where speakers have to move."""
    without = frame(TRAIN, rows("dev", ["D0"], {"A09": 4}, 10), EVAL)
    for table in (utterances, without):
        shuffled = hold_out(table.sample(frac=1, random_state=1), ("A01", "A02"))
        assert shuffled.sort_index().equals(hold_out(table, ("A01", "A02")))


def test_an_attack_that_dev_lacks_comes_with_its_speakers():
    """Ten speakers in train: two of them move, with their bona fide speech, and are gone from training."""
    utterances = frame(TRAIN, rows("dev", ["D0"], {"A09": 4, "A02": 3}, 10), EVAL)
    divided = hold_out(utterances, ("A01", "A02"))
    train, dev = part(divided, "train"), part(divided, "dev")
    moved = known_speakers(dev) - {"D0"}
    assert len(moved) == 2
    assert attacks(dev) == {"A01", "A02"}
    assert set(dev.loc[dev["attack"] == "A02", "speaker"]) == {"D0"}
    assert set(dev.loc[dev["attack"] == "A01", "speaker"]) == moved
    assert moved <= set(dev.loc[dev["label"] == "bonafide", "speaker"])
    assert not known_speakers(train) & known_speakers(dev)
    assert len(known_speakers(train)) == 8
    assert attacks(train) == {"A03", "A04", "A05"}


def test_spoofs_of_unknown_speakers_move_as_they_are():
    utterances = frame(rows("train", ["-"], COUNTS, 40), rows("dev", ["-"], {"A09": 4}, 10))
    divided = hold_out(utterances, ("A03",))
    dev = part(divided, "dev")
    assert (len(dev), attacks(dev)) == (10 + 15, {"A03"})
    assert (part(divided, "train")["label"] == "bonafide").sum() == 40


def test_speakers_of_both_splits_leave_training():
    utterances = frame(TRAIN, rows("dev", ["D0", "T3"], dict.fromkeys(COUNTS, 4), 10))
    divided = hold_out(utterances, ("A01",))
    assert known_speakers(part(divided, "train")) == {f"T{i}" for i in range(10)} - {"T3"}


@pytest.mark.parametrize(
    ("dev_speakers", "held_out", "missing"),
    [
        ([f"T{i}" for i in range(10)], ("A01",), "train must keep bonafide"),
        (["D0"], tuple(COUNTS), "train must keep spoof"),
    ],
)
def test_what_cannot_be_had_is_refused(dev_speakers, held_out, missing):
    utterances = frame(TRAIN, rows("dev", dev_speakers, dict.fromkeys(COUNTS, 4), 10))
    with pytest.raises(SpoofsweepError, match=f"{missing} utterances when A01"):
        hold_out(utterances, held_out)


def test_one_speaker_behind_an_attack_that_dev_lacks_is_refused():
    utterances = frame(rows("train", ["LJ"], COUNTS, 40), rows("dev", ["D0"], {"A09": 4}, 10))
    with pytest.raises(SpoofsweepError, match="train must keep bonafide"):
        hold_out(utterances, ("A03",))


def test_no_policy_holds_nothing_out(utterances):
    assert resolve_folds(HoldOutConfig(), utterances, seed=1) == ()


def test_named_attacks_are_taken_once_each(utterances):
    config = HoldOutConfig(hold_out_attacks=("A05", "A01", "A05"))
    assert resolve_folds(config, utterances, seed=1) == (("A01", "A05"),)


def test_drawn_attacks_follow_from_the_seed(utterances):
    config = HoldOutConfig(hold_out_attacks=2)
    drawn = [resolve_folds(config, utterances, seed) for seed in range(20)]
    assert drawn == [resolve_folds(config, utterances.sample(frac=1), seed) for seed in range(20)]
    assert all(len(set(group)) == 2 and set(group) <= set(COUNTS) for (group,) in drawn)
    assert len(set(drawn)) > 5


def test_folds_share_the_attacks_evenly(utterances):
    (first, second) = resolve_folds(HoldOutConfig(folds=2), utterances, seed=1)
    assert sorted(first + second) == sorted(COUNTS)
    assert sorted(sum(COUNTS[name] for name in group) for group in (first, second)) == [40, 40]
    assert len(resolve_folds(HoldOutConfig(folds=5), utterances, seed=1)) == 5


def test_equal_attacks_are_dealt_out_by_the_seed():
    utterances = frame(rows("train", ["-"], {f"A{i:02d}": 10 for i in range(6)}, 40))
    found = {resolve_folds(HoldOutConfig(folds=3), utterances, seed) for seed in range(10)}
    assert len(found) > 3
    assert all([len(group) for group in folds] == [2, 2, 2] for folds in found)


def test_attacks_without_a_name_stay_in_training():
    spoofs = COUNTS | {"unknown": 50, "itw/unknown": 50}
    utterances = frame(rows("train", ["-"], spoofs, 40))
    groups = resolve_folds(HoldOutConfig(folds=2), utterances, seed=1)
    assert {name for group in groups for name in group} == set(COUNTS)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (HoldOutConfig(hold_out_attacks=("A1",)), "'A1'; did you mean 'A0"),
        (HoldOutConfig(hold_out_attacks=("A19",)), "'A19'"),
        (HoldOutConfig(hold_out_attacks=5), "5 of 5 held out"),
        (HoldOutConfig(hold_out_attacks=tuple(COUNTS)), "5 of 5 held out"),
        (HoldOutConfig(folds=6), "6 folds of 5 attacks"),
    ],
)
def test_impossible_policies_are_refused(utterances, config, complaint):
    with pytest.raises(SpoofsweepError, match=complaint):
        resolve_folds(config, utterances, seed=1)


def test_folds_and_a_hold_out_exclude_each_other():
    with pytest.raises(ValidationError, match="either hold_out_attacks or folds"):
        HoldOutConfig(hold_out_attacks=1, folds=2)


def test_a_pass_counts_what_all_models_train_on(utterances):
    assert samples_per_pass(utterances, ()) == 40 + 80
    assert samples_per_pass(utterances, (("A01",),)) == 40 + 50
    assert samples_per_pass(utterances, (("A01",), ("A02", "A03"))) == 40 + 50 + 40 + 45


def test_folds_in_one_line():
    assert named((("A01", "A04"), ("A02",))) == "A01, A04 | A02"
    assert named(()) == ""
