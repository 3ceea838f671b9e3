"""Several corpora in one study."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from miniature import prep_config
from trees import asvspoof2019_la, in_the_wild, mlaad

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from data_prep.config import CorpusConfig, ExtraCorpus
from data_prep.corpora import read_corpus
from data_prep.plan import Conversions, Recipe, plan_shards
from data_prep.shard_builder import build_shard
from data_prep.shard_part import read_parts
from data_prep.utterance import Corpus
from data_prep.validation import validate


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A folder of three corpora."""
    asvspoof2019_la(tmp_path / "LA")
    in_the_wild(tmp_path / "itw")
    mlaad(tmp_path / "mlaad")
    return tmp_path


WILD = {"name": "itw", "layout": "in-the-wild", "root": "itw"}
GENERATED = {"name": "tts", "layout": "mlaad", "root": "mlaad", "splits": {"train": ["eval"]}}


def config(*extra: dict[str, Any], **more: Any) -> CorpusConfig:
    values = {"layout": "asvspoof2019-la", "root": "LA", "extra": list(extra)} | more
    return parse_settings(CorpusConfig, values, "corpus")


def read(roots: Path, *extra: dict[str, Any], seed: int = 0, **more: Any) -> Corpus:
    return read_corpus(config(*extra, **more), roots, seed)


def test_extra_corpora_are_kept_apart(roots: Path) -> None:
    corpus = read(roots, WILD, GENERATED)
    assert Counter((u.corpus, u.split) for u in corpus.utterances) == {
        ("asvspoof2019-la", "train"): 4,
        ("asvspoof2019-la", "dev"): 4,
        ("asvspoof2019-la", "eval"): 4,
        ("itw", "eval"): 4,
        ("tts", "train"): 4,
    }
    wild = [u for u in corpus.utterances if u.corpus == "itw"]
    assert [u.utterance_id for u in wild] == ["itw/0", "itw/1", "itw/2", "itw/3"]
    assert {u.speaker for u in wild} == {"itw/Ada Lovelace", "itw/Alan Turing"}
    assert {u.attack for u in wild} == {"-", "itw/unknown"}
    assert {u.speaker for u in corpus.utterances if u.corpus == "tts"} == {"-"}
    assert corpus.layout == "asvspoof2019-la+in-the-wild+mlaad"


def test_main_corpus_keeps_its_names(roots: Path) -> None:
    alone = read(roots)
    main = read(roots, WILD).utterances[:12]
    assert [(u.utterance_id, u.speaker, u.attack) for u in main] == [
        (u.utterance_id, u.speaker, u.attack) for u in alone.utterances
    ]
    assert {u.corpus for u in alone.utterances} == {""}


def test_a_corpus_without_bona_fide_speech_takes_it_from_another(roots: Path) -> None:
    chosen = config(GENERATED)
    report = validate(read_corpus(chosen, roots, seed=0), chosen)
    assert report.errors == ()
    alone = parse_settings(CorpusConfig, {"layout": "mlaad", "root": "mlaad", "splits": GENERATED["splits"]})
    assert (
        "split train has no bonafide utterance, so no error rate can be told"
        in validate(read_corpus(alone, roots, seed=0), alone).errors
    )


def test_identity_covers_each_corpus_and_the_choice(roots: Path) -> None:
    identities = [
        read(roots).identity,
        read(roots, WILD).identity,
        read(roots, WILD | {"name": "wild"}).identity,
        read(roots, WILD | {"splits": {"dev": ["eval"]}}).identity,
        read(roots, WILD, GENERATED).identity,
        read(roots, WILD, max_utterances={"eval": 6}).identity,
        read(roots, WILD, max_utterances={"eval": 6}, seed=1).identity,
    ]
    with (roots / "itw" / "meta.csv").open("a") as file:
        file.write("\n")
    identities.append(read(roots, WILD).identity)
    assert len(set(identities)) == len(identities)


def test_identity_does_not_depend_on_places(roots: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("elsewhere")
    asvspoof2019_la(other / "LA")
    in_the_wild(other / "itw")
    assert read(other, WILD).identity == read(roots, WILD).identity


def test_draws_keep_the_proportions_of_the_corpora(roots: Path) -> None:
    drawn = [u for u in read(roots, WILD, max_utterances={"eval": 4}).utterances if u.split == "eval"]
    assert Counter((u.corpus, u.label) for u in drawn) == {
        ("asvspoof2019-la", "bonafide"): 1,
        ("asvspoof2019-la", "spoof"): 1,
        ("itw", "bonafide"): 1,
        ("itw", "spoof"): 1,
    }


def test_report_tells_what_each_corpus_contributes(roots: Path) -> None:
    chosen = config(WILD)
    notes = validate(read_corpus(chosen, roots, seed=0), chosen).notes
    assert "eval from itw: 2 bona fide, 2 spoof" in notes
    assert any(note.startswith("itw: not the published corpus: eval has 4 of 31,779") for note in notes)


def test_speakers_that_train_one_corpus_and_test_another_are_noted(roots: Path) -> None:
    assert not any("speaker ids" in note for note in read(roots, WILD, GENERATED).notes)
    again = {"name": "again", "layout": "asvspoof2019-la", "root": "LA", "splits": {"train": ["dev"], "eval": ["eval"]}}
    (note,) = [note for note in read(roots, again).notes if "speaker ids" in note]
    assert note.startswith("1 speaker ids stand in train of one corpus and in dev or eval of another (LA_0001)")


def test_missing_files_are_counted_by_corpus_and_named_below_its_root(roots: Path) -> None:
    for name in ("0.wav", "1.wav"):
        (roots / "itw" / name).unlink()
    chosen = config(WILD)
    report = validate(read_corpus(chosen, roots, seed=0), chosen)
    assert any("2 of 4 files of itw eval are missing" in error for error in report.errors)
    assert any(note.startswith("itw: not the published corpus: eval has 2 of 31,779") for note in report.notes)
    assert {rejection.file for rejection in report.rejected} == {"0.wav", "1.wav"}


@pytest.mark.parametrize(
    ("extra", "rule"),
    [
        ({"name": "asvspoof2019-la"}, "names must differ"),
        ({"name": "a/b"}, "extra.0.name"),
        ({"splits": {"dev": ["eval"], "eval": ["eval"]}}, "each split of the corpus can feed one split"),
        ({"divide": {"train": 0.5, "dev": 0.4}}, "the shares sum to 0.9, not to 1"),
        ({"divide": {"train": 1.0}, "splits": {"train": ["eval"]}}, "either splits or divide"),
        ({"divid": {"train": 1.0}}, "unknown key 'extra.0.divid'"),
    ],
)
def test_settings_that_are_refused(extra: dict[str, Any], rule: str) -> None:
    with pytest.raises(SpoofsweepError, match=rule):
        config(WILD | extra)


def test_missing_root_names_the_corpus(roots: Path) -> None:
    with pytest.raises(SpoofsweepError, match=r"root must exist; got .*gone; correct root of \[corpus.extra itw\]"):
        read(roots, WILD | {"root": "gone"})


def test_divided_extra_corpus(roots: Path) -> None:
    divided = read(roots, WILD | {"divide": {"train": 0.5, "dev": 0.5}}).utterances
    speakers = {(u.split, u.speaker) for u in divided if u.corpus == "itw"}
    assert len(speakers) == 2
    assert {split for split, _ in speakers} == {"train", "dev"}


def test_index_names_the_corpus_of_each_row(roots: Path, tmp_path: Path) -> None:
    extra = ExtraCorpus(name="two", layout="asvspoof2019-la", root=str(roots / "LA"))
    prep = prep_config(roots / "LA", extra=(extra,), min_duration_s=0.01, augmentation={})
    corpus = read_corpus(prep.corpus, Path(), seed=0)
    (plan,) = [
        plan for plan in plan_shards(corpus.utterances, 100) if plan.utterances[-1].utterance_id == "two/LA_T_0000003"
    ]
    build_shard(plan, Recipe(tmp_path / "shards", corpus.without_utterances(), prep, {}, Conversions({}, {})))
    ((_, part),) = read_parts(tmp_path / "shards", [plan.number])
    assert {row["utterance_id"]: row["corpus"] for row in part.rows.to_pylist()}["two/LA_T_0000003"] == "two"
