"""What is said about a corpus beside the counts that were published."""

from collections import Counter
from typing import get_args

import pytest

from data_prep.config import CorpusSource
from data_prep.corpora import LAYOUTS
from data_prep.corpora.layout import both, completeness
from data_prep.utterance import Tally

PUBLISHED = both((100, 900), (50, 450), (200, 1_800))


def less(**changes: int) -> Tally:
    found = Counter(PUBLISHED)
    for place, number in changes.items():
        found[tuple(place.split("_"))] -= number  # type: ignore[index]
    return +found


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (PUBLISHED, "complete: matches the published counts (3,500 utterances)"),
        (less(train_spoof=30), "partial: train: 30 spoof missing of 1,000"),
        (
            less(train_bonafide=1, train_spoof=2, dev_spoof=-3),
            "partial: train: 1 bona fide missing, 2 spoof missing of 1,000; dev: 3 spoof too many of 500",
        ),
        (less(eval_bonafide=200, eval_spoof=1_800), "partial: eval is missing (2,000 utterances)"),
        (both((20, 76), (0, 0), (1, 1)), "not the published corpus: train has 96 of 1,000, dev has 0 of 500, eval"),
    ],
)
def test_completeness(found: Tally, text: str) -> None:
    assert completeness(found, PUBLISHED).startswith(text)


def test_split_that_was_not_published() -> None:
    published = both((0, 0), (0, 0), (5, 5))
    assert completeness(both((1, 0), (0, 0), (5, 5)), published) == "partial: train: 1 bona fide too many"


def test_bona_fide_speech_beside_generated_speech() -> None:
    published = both((0, 0), (0, 0), (0, 10))
    assert completeness(both((0, 0), (0, 0), (5, 10)), published).startswith("complete: ")
    assert completeness(both((0, 0), (0, 0), (5, 9)), published) == "partial: eval: 1 spoof missing of 10"


def test_settings_name_the_layouts_that_there_are() -> None:
    assert set(get_args(CorpusSource.model_fields["layout"].annotation)) == set(LAYOUTS)


def test_published_counts_are_of_subsets_that_can_be_read() -> None:
    for layout in LAYOUTS.values():
        assert set(layout.published) <= (set(layout.subsets) or {""})
