"""Splits renamed, corpora divided, and draws for quick sweeps."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.errors import SpoofsweepError
from data_prep.corpora.layout import both
from data_prep.corpora.selection import allocate, divide, limit, map_splits
from data_prep.utterance import Corpus, Split, Utterance

# Bona fide utterances and those of three attacks, one of them rare.
SIZES = {"-": 300, "A01": 900, "A02": 900, "A03": 30}


def corpus_of(num_speakers: int, split: Split = "train", sizes: Mapping[str, int] = SIZES) -> Corpus:
    """Utterances of ``split``, each speaker with its share of each attack; no speaker is known for 0 speakers."""
    utterances = [
        Utterance(
            utterance_id=f"{split}-{attack}-{i:04d}",
            path=Path("/nowhere"),
            split=split,
            speaker=f"{split}-s{i % num_speakers}" if num_speakers else "-",
            attack=attack,
            label="bonafide" if attack == "-" else "spoof",
        )
        for attack, size in sizes.items()
        for i in range(size)
    ]
    return Corpus("folders", Path("/"), tuple(utterances), ())


def speakers(utterances: Iterable[Utterance]) -> dict[str, set[str]]:
    found = defaultdict(set)
    for utterance in utterances:
        found[utterance.split].add(utterance.speaker)
    return found


def attacks(utterances: Iterable[Utterance], split: str) -> Counter[str]:
    return Counter(utterance.attack for utterance in utterances if utterance.split == split)


class TestMapSplits:
    def test_own_splits_feed_those_of_the_study(self) -> None:
        corpus = replace(
            corpus_of(3), utterances=tuple(u for s in ("train", "dev", "eval") for u in corpus_of(3, s).utterances)
        )
        mapped = map_splits(corpus, {"train": ("train", "eval"), "eval": ("dev",)})
        assert {(u.split, u.utterance_id.split("-")[0]) for u in mapped.utterances} == {
            ("train", "train"),
            ("train", "eval"),
            ("eval", "dev"),
        }

    def test_what_is_not_named_is_left_out(self) -> None:
        assert map_splits(corpus_of(3), {"dev": ("dev",)}).utterances == ()


class TestDivide:
    SHARES: Mapping[Split, float] = {"train": 0.6, "dev": 0.2, "eval": 0.2}

    def test_splits_share_no_speaker(self) -> None:
        found = speakers(divide(corpus_of(40), self.SHARES, 1, "corpus").utterances)
        assert sum(len(names) for names in found.values()) == 40
        assert not found["train"] & found["dev"] | found["train"] & found["eval"] | found["dev"] & found["eval"]

    @pytest.mark.parametrize("num_speakers", [0, 60])
    def test_attacks_are_spread_by_the_shares(self, num_speakers: int) -> None:
        divided = divide(corpus_of(num_speakers), self.SHARES, 1, "corpus").utterances
        for split, share in self.SHARES.items():
            for attack, number in attacks(divided, split).items():
                assert number == pytest.approx(share * SIZES[attack], rel=0.2, abs=3)

    def test_speakers_with_attacks_of_their_own_are_spread_too(self) -> None:
        utterances = [replace(u, attack=f"A{i % 4}", speaker=f"s{i % 40}") for i, u in enumerate(spoofs())]
        divided = divide(replace(corpus_of(0), utterances=tuple(utterances)), {"train": 0.5, "dev": 0.5}, 1, "corpus")
        for attack, number in attacks(divided.utterances, "train").items():
            assert number == pytest.approx(0.5 * sum(u.attack == attack for u in utterances), rel=0.05)

    def test_same_seed_same_division_whatever_the_order(self) -> None:
        corpus = corpus_of(20)
        backwards = replace(corpus, utterances=corpus.utterances[::-1])
        first = {u.utterance_id: u.split for u in divide(corpus, self.SHARES, 7, "corpus").utterances}
        assert first == {u.utterance_id: u.split for u in divide(backwards, self.SHARES, 7, "corpus").utterances}
        assert first != {u.utterance_id: u.split for u in divide(corpus, self.SHARES, 8, "corpus").utterances}

    def test_each_split_gets_a_speaker(self) -> None:
        divided = divide(corpus_of(3), {"train": 0.98, "dev": 0.01, "eval": 0.01}, 1, "corpus")
        assert {len(names) for names in speakers(divided.utterances).values()} == {1}

    def test_fewer_speakers_than_splits(self) -> None:
        with pytest.raises(SpoofsweepError, match=r"\[corpus\] divide needs a speaker for each split; got 2 .* for 3"):
            divide(corpus_of(2), self.SHARES, 1, "corpus")
        divided = divide(corpus_of(2), self.SHARES, 1, "corpus", allow_shared=True).utterances
        assert attacks(divided, "train") == {"-": 180, "A01": 540, "A02": 540, "A03": 18}

    def test_unknown_speakers_beside_known_ones(self) -> None:
        known, unknown = corpus_of(10), corpus_of(0, "eval")
        mixed = replace(known, utterances=known.utterances + unknown.utterances)
        divided = divide(mixed, {"train": 0.5, "dev": 0.5}, 1, "corpus").utterances
        assert len(divided) == len(mixed.utterances)
        found = speakers(divided)
        assert found["train"] & found["dev"] == {"-"}

    def test_repeated_lines_stay_together(self) -> None:
        corpus = corpus_of(0)
        twice = divide(replace(corpus, utterances=corpus.utterances * 2), self.SHARES, 1, "corpus").utterances
        assert twice[: len(twice) // 2] == twice[len(twice) // 2 :]


def spoofs() -> list[Utterance]:
    return [utterance for utterance in corpus_of(0).utterances if utterance.label == "spoof"][:800]


class TestLimit:
    def test_proportions_stay_and_each_attack_is_kept(self) -> None:
        drawn = attacks(limit(corpus_of(20), {"train": 213}, 1).utterances, "train")
        assert sum(drawn.values()) == 213
        assert all(abs(drawn[attack] - size / 10) <= 1 for attack, size in SIZES.items())
        assert attacks(limit(corpus_of(20), {"train": 4}, 1).utterances, "train") == dict.fromkeys(SIZES, 1)

    def test_draws_are_from_as_many_speakers_as_possible(self) -> None:
        drawn = limit(corpus_of(20), {"train": 213}, 1).utterances
        assert Counter(u.speaker for u in drawn if u.attack == "A01").most_common()[0][1] == 5
        assert len({u.speaker for u in drawn}) == 20

    def test_no_utterance_changes_its_split(self) -> None:
        corpus = replace(corpus_of(5), utterances=corpus_of(5).utterances + corpus_of(5, "dev").utterances)
        drawn = limit(corpus, {"train": 50, "dev": 20}, 1)
        assert Counter(u.split for u in drawn.utterances) == {"train": 50, "dev": 20}
        assert set(drawn.utterances) <= set(corpus.utterances)

    def test_splits_without_a_limit_stay_whole(self) -> None:
        corpus = replace(corpus_of(5), utterances=corpus_of(5).utterances + corpus_of(5, "eval").utterances)
        assert sum(u.split == "eval" for u in limit(corpus, {"train": 9}, 1).utterances) == sum(SIZES.values())

    def test_number_above_the_corpus_changes_nothing(self) -> None:
        corpus = corpus_of(5)
        assert limit(corpus, {"train": 10_000}, 1) is corpus

    def test_same_seed_same_draw(self) -> None:
        corpus = corpus_of(20)
        backwards = replace(corpus, utterances=corpus.utterances[::-1])
        first = {u.utterance_id for u in limit(corpus, {"train": 100}, 7).utterances}
        assert first == {u.utterance_id for u in limit(backwards, {"train": 100}, 7).utterances}
        assert first != {u.utterance_id for u in limit(corpus, {"train": 100}, 8).utterances}

    def test_a_larger_number_keeps_what_a_smaller_one_drew(self) -> None:
        few = {u.utterance_id for u in limit(corpus_of(20), {"train": 71}, 1).utterances}
        assert few <= {u.utterance_id for u in limit(corpus_of(20), {"train": 500}, 1).utterances}


class TestAllocate:
    @pytest.mark.parametrize("sizes", [[5], [1, 1, 1], [1, 100, 3], [1000, 1, 1, 1], [7, 7, 7, 7, 2]])
    def test_sums_and_never_more_than_there_is(self, sizes: list[int]) -> None:
        for total in range(sum(sizes) + 1):
            parts = allocate(sizes, total)
            assert sum(parts) == total
            assert all(0 <= part <= size for part, size in zip(parts, sizes, strict=True))
            assert min(parts) >= 1 or total < len(sizes)

    def test_nothing(self) -> None:
        assert allocate([], 0) == []


class TestIdentity:
    def test_choices_are_part_of_it(self) -> None:
        corpus = corpus_of(20)
        shares: Mapping[Split, float] = {"train": 0.5, "dev": 0.5}
        identities = {
            corpus.identity,
            map_splits(corpus, {"dev": ("train",)}).identity,
            divide(corpus, shares, 1, "corpus").identity,
            divide(corpus, shares, 2, "corpus").identity,
            limit(corpus, {"train": 100}, 1).identity,
            limit(corpus, {"train": 101}, 1).identity,
        }
        assert len(identities) == 6
        assert divide(corpus, shares, 1, "corpus").identity == divide(corpus, shares, 1, "corpus").identity

    def test_completeness_is_told_of_the_files_before_the_choice(self) -> None:
        there = [replace(utterance, path=Path(__file__)) for utterance in corpus_of(20).utterances]
        corpus = replace(corpus_of(20), utterances=tuple(there), published=both((300, 1830), (0, 0), (0, 0)))
        assert limit(corpus, {"train": 9}, 1).notes == ("complete: matches the published counts (2,130 utterances)",)
        gone = corpus_of(20, "eval", {"-": 300}).utterances
        corpus = replace(corpus, utterances=(*there, *gone), published=both((300, 1830), (0, 0), (300, 0)))
        for choice in (limit(corpus, {"train": 9}, 1), map_splits(corpus, {"dev": ("train",)})):
            assert choice.notes == ("partial: eval is missing (300 utterances)",)
