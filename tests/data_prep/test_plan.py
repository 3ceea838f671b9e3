"""How a corpus is cut into shards, and what its identity depends on."""

from pathlib import Path

import pytest
import soundfile
from miniature import AUGMENTATION, make_la, prep_config, speech

from data_prep.config import PrepConfig
from data_prep.corpora import read_corpus
from data_prep.plan import plan_shards, shard_set_id
from data_prep.utterance import Utterance


def utterances(**numbers: int) -> list[Utterance]:
    return [
        Utterance(f"{split}{i:04d}", Path("x"), split, "s", "-", "bonafide")  # type: ignore[arg-type]
        for split, number in numbers.items()
        for i in reversed(range(number))
    ]


def test_every_utterance_is_planned_once_in_order_and_splits_stay_apart() -> None:
    members = utterances(eval=5, train=1000, dev=30)
    plans = plan_shards(members, 256)
    assert [plan.number for plan in plans] == list(range(len(plans)))
    assert sorted(u.utterance_id for plan in plans for u in plan.utterances) == sorted(u.utterance_id for u in members)
    for plan in plans:
        assert {u.split for u in plan.utterances} == {plan.split}
        assert list(plan.utterances) == sorted(plan.utterances, key=lambda u: u.utterance_id)
    assert max(len(plan.utterances) for plan in plans) <= 256


def test_small_splits_still_make_four_shards() -> None:
    assert [len(plan.utterances) for plan in plan_shards(utterances(train=10), 256)] == [3, 3, 3, 1]
    assert [len(plan.utterances) for plan in plan_shards(utterances(train=1), 256)] == [1]


def identity(config: PrepConfig, base: Path = Path()) -> str:
    return shard_set_id(config, read_corpus(config.corpus, base, seed=0), base)


def test_identity_does_not_depend_on_places(la_root: Path, tmp_path: Path) -> None:
    copy = make_la(tmp_path / "copy")
    assert identity(prep_config(la_root)) == identity(prep_config(copy))
    assert len(identity(prep_config(la_root))) == 16


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 4},
        {"utterances_per_shard": 5},
        {"features": {"num_coefficients": 19}},
        {"augmentation": {"policies": {"classic": {"steps": [{"kind": "noise"}]}}}},
        {"augmentation": {"policies": dict(reversed(AUGMENTATION.policies.items()))}},
        {"min_duration_s": 0.2},
        {"convert": True},
    ],
)
def test_identity_follows_everything_that_decides_the_bytes(la_root: Path, change: dict[str, object]) -> None:
    assert identity(prep_config(la_root, **change)) != identity(prep_config(la_root))


def test_accepting_shared_speakers_changes_no_byte(la_root: Path) -> None:
    assert identity(prep_config(la_root, allow_shared_speakers=True)) == identity(prep_config(la_root))


def test_identity_follows_recorded_noise_from_the_base(la_root: Path, tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()
    soundfile.write(tmp_path / "noise" / "a.wav", speech(), 16000)
    augmentation = {"policies": {"noisy": {"steps": [{"kind": "noise", "folder": "noise"}]}}}
    config = prep_config(la_root, augmentation=augmentation)
    before = identity(config, tmp_path)
    soundfile.write(tmp_path / "noise" / "a.wav", speech(2.0), 16000)
    assert identity(config, tmp_path) != before
