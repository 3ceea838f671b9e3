"""What stops a corpus, what is only told, and what is set aside."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from miniature import make_la, train_file
from trees import folders

from cluster.errors import SpoofsweepError
from data_prep.config import CorpusConfig
from data_prep.corpora import read_corpus
from data_prep.utterance import LABELS, SPLITS, Corpus, Utterance
from data_prep.validation import CorpusReport, validate


def config(root: Path, **changes: bool) -> CorpusConfig:
    return CorpusConfig(layout="asvspoof2019-la", root=str(root), **changes)  # type: ignore[arg-type]


def check(root: Path, change: dict[str, Utterance | None] | None = None, **changes: bool) -> CorpusReport:
    """The report on ``root`` after replacing (or, with none, dropping) utterances by id."""
    corpus = read_corpus(config(root), Path(), seed=0)
    changed = change or {}
    utterances = [changed.get(u.utterance_id, u) for u in corpus.utterances]
    return validate(replace(corpus, utterances=tuple(u for u in utterances if u is not None)), config(root, **changes))


def corpus_of(root: Path) -> Corpus:
    return read_corpus(config(root), Path(), seed=0)


def test_sound_corpus(la_root: Path) -> None:
    report = check(la_root)
    assert report.errors == ()
    assert len(report.usable) == 18
    assert report.counts[("dev", "bonafide", "-")] == 3
    report.check()


def test_dev_attacks_all_in_train_are_named(la_root: Path) -> None:
    assert any("A01, A02" in warning for warning in check(la_root).warnings)


def test_dev_with_an_unseen_attack_is_not_warned_about(la_root: Path) -> None:
    dev = corpus_of(la_root).utterances[9]
    assert check(la_root, {dev.utterance_id: replace(dev, attack="A19")}).warnings == ()


def test_identical_duplicates_are_dropped(la_root: Path) -> None:
    corpus = corpus_of(la_root)
    twice = replace(corpus, utterances=corpus.utterances + corpus.utterances[:2])
    report = validate(twice, config(la_root))
    assert report.errors == ()
    assert "2 duplicate protocol lines ignored (LA_T_0000000, LA_T_0000001)" in report.warnings
    assert report.usable == corpus.utterances


@pytest.mark.parametrize("change", [{"label": "spoof", "attack": "A01"}, {"split": "dev"}])
def test_contradicting_duplicates_stop(la_root: Path, change: dict[str, str]) -> None:
    corpus = corpus_of(la_root)
    contradicting = replace(corpus.utterances[0], **change)  # type: ignore[arg-type]
    report = validate(replace(corpus, utterances=(*corpus.utterances, contradicting)), config(la_root))
    with pytest.raises(SpoofsweepError, match=r"1 protocol lines contradict .*LA_T_0000000"):
        report.check()


@pytest.mark.parametrize("change", [{"split": "dev", "speaker": "-"}, {"label": "spoof", "attack": "A01"}])
def test_a_file_in_several_splits_or_classes_stops(la_root: Path, change: dict[str, str]) -> None:
    corpus = corpus_of(la_root)
    again = replace(corpus.utterances[0], utterance_id="again", **change)  # type: ignore[arg-type]
    report = validate(replace(corpus, utterances=(*corpus.utterances, again)), config(la_root))
    with pytest.raises(SpoofsweepError, match=r"1 files stand in several splits or classes.*LA_T_0000000\.flac"):
        report.check()


def test_a_file_under_two_ids_of_one_split_is_told(la_root: Path) -> None:
    corpus = corpus_of(la_root)
    again = replace(corpus.utterances[0], utterance_id="again")
    report = validate(replace(corpus, utterances=(*corpus.utterances, again)), config(la_root))
    assert report.errors == ()
    assert any("1 files stand under several ids in one split" in warning for warning in report.warnings)


def test_few_missing_files_are_set_aside(la_root: Path) -> None:
    train_file(la_root).unlink()
    report = check(la_root)
    assert report.errors == ()
    assert [(one.utterance_id, one.reason) for one in report.rejected] == [("LA_T_0000000", "file missing")]
    assert len(report.usable) == 17
    assert any("1 of 6 files of train are missing" in warning for warning in report.warnings)


def test_many_missing_files_stop(la_root: Path) -> None:
    for number in (0, 5):
        train_file(la_root, number).unlink()
    with pytest.raises(SpoofsweepError, match="2 of 6 files of train are missing"):
        check(la_root).check()


def test_empty_split_stops(la_root: Path) -> None:
    (la_root / "ASVspoof2019_LA_cm_protocols" / "ASVspoof2019.LA.cm.dev.trl.txt").write_text("\n")
    with pytest.raises(SpoofsweepError, match="split dev is empty"):
        check(la_root).check()


def test_missing_evaluation_list_is_told(la_root: Path) -> None:
    (la_root / "ASVspoof2019_LA_cm_protocols" / "ASVspoof2019.LA.cm.eval.trl.txt").unlink()
    report = check(la_root)
    assert report.errors == ()
    assert any("split eval is empty" in warning for warning in report.warnings)


def test_split_of_one_class_stops(la_root: Path) -> None:
    spoofs = {u.utterance_id: None for u in corpus_of(la_root).utterances if u.split == "dev" and u.label == "spoof"}
    with pytest.raises(SpoofsweepError, match="split dev has no spoof"):
        check(la_root, dict(spoofs)).check()


def test_shared_speakers_stop_unless_accepted(la_root: Path) -> None:
    dev = corpus_of(la_root).utterances[6]
    change: dict[str, Utterance | None] = {dev.utterance_id: replace(dev, speaker="LA_0000")}
    with pytest.raises(SpoofsweepError, match=r"1 speakers stand in several splits \(LA_0000\)"):
        check(la_root, change).check()
    accepted = check(la_root, change, allow_shared_speakers=True)
    assert accepted.errors == ()
    assert any("LA_0000" in warning for warning in accepted.warnings)


def test_unknown_speakers_are_not_shared(la_root: Path) -> None:
    change: dict[str, Utterance | None] = {
        u.utterance_id: replace(u, speaker="-") for u in corpus_of(la_root).utterances
    }
    assert check(la_root, change).errors == ()


def test_all_errors_come_together(tmp_path: Path) -> None:
    root = make_la(tmp_path / "LA", per_class=1)
    for path in root.glob("ASVspoof2019_LA_*/flac/*"):
        path.unlink()
    with pytest.raises(SpoofsweepError) as caught:
        check(root).check()
    assert "2 of 2 files of train are missing" in str(caught.value)
    assert "2 of 2 files of eval are missing" in str(caught.value)
    assert "split dev is empty" in str(caught.value)


def test_unseen_attacks_are_counted_without_a_warning(la_root: Path) -> None:
    dev = corpus_of(la_root).utterances[9]
    report = check(la_root, {dev.utterance_id: replace(dev, attack="A19")})
    assert f"dev: 1 of {len({a for s, _, a in report.counts if s == 'dev' and a != '-'})} attacks" in report.notes[1]
    assert report.warnings == ()


def test_complete_corpus_is_confirmed_from_the_files_that_are_there(la_root: Path) -> None:
    published = replace(corpus_of(la_root), published={(s, k): 3 for s in SPLITS for k in LABELS})
    assert validate(published, config(la_root)).notes[0] == "complete: matches the published counts (18 utterances)"
    train_file(la_root).unlink()
    assert validate(replace(published), config(la_root)).notes[0] == "partial: train: 1 bona fide missing of 6"


def test_attacks_without_a_name_say_nothing_about_unseen_attacks(la_root: Path) -> None:
    change: dict[str, Utterance | None] = {
        u.utterance_id: replace(u, attack="unknown") for u in corpus_of(la_root).utterances if u.label == "spoof"
    }
    report = check(la_root, change)
    assert report.warnings == ()
    assert not any("attacks" in note for note in report.notes)


def test_file_names_that_are_not_utf8_are_set_aside(tmp_path: Path) -> None:
    root = folders(tmp_path / "folders")
    sound = root / "train" / "Genuine" / "a.wav"
    (sound.parent / os.fsdecode(b"caf\xe9.wav")).write_bytes(sound.read_bytes())
    corpus = read_corpus(CorpusConfig(layout="folders", root=str(root)), tmp_path, seed=0)
    report = validate(corpus, CorpusConfig(layout="folders", root=str(root)))
    (rejection,) = report.rejected
    assert rejection.reason == "file name is not UTF-8"
    assert "caf\\udce9" in rejection.file
    assert len(corpus.identity) == 64
    assert len(report.usable) == len(corpus.utterances) - 1
