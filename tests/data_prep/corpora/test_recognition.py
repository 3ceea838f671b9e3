"""Which layout a folder has."""

from pathlib import Path

import pytest
from trees import TREES, asvspoof2019_la, asvspoof2019_pa

from cluster.errors import SpoofsweepError
from data_prep.corpora.recognition import recognise


@pytest.mark.parametrize("name", TREES)
def test_every_layout_is_recognised_by_itself(name: str, tmp_path: Path) -> None:
    assert recognise(TREES[name](tmp_path / "corpus")).name == name


@pytest.mark.parametrize("name", ["asvspoof2021-df", "in-the-wild", "wavefake"])
def test_also_one_level_below(name: str, tmp_path: Path) -> None:
    TREES[name](tmp_path / "outer" / "corpus")
    assert recognise(tmp_path / "outer").name == name


def test_variant_of_fake_or_real_is_not_taken_for_any_corpus_of_folders(tmp_path: Path) -> None:
    assert recognise(TREES["fake-or-real"](tmp_path) / "for-norm").name == "fake-or-real"


def test_several_layouts_are_all_named(tmp_path: Path) -> None:
    asvspoof2019_la(tmp_path / "LA")
    asvspoof2019_pa(tmp_path / "PA")
    with pytest.raises(SpoofsweepError, match=r"several: asvspoof2019-la in .*LA, asvspoof2019-pa in .*--layout"):
        recognise(tmp_path)


def test_two_of_one_layout_are_not_guessed(tmp_path: Path) -> None:
    asvspoof2019_la(tmp_path / "a")
    asvspoof2019_la(tmp_path / "b")
    with pytest.raises(SpoofsweepError, match=r"several: asvspoof2019-la in .*a, asvspoof2019-la in .*b; give one"):
        recognise(tmp_path)


def test_nothing_known_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    with pytest.raises(SpoofsweepError) as caught:
        recognise(tmp_path)
    message = str(caught.value)
    assert "asvspoof5 would hold the file ASVspoof5.train.tsv" in message
    assert "(with: music)" in message
