"""What a score table knows of its utterances besides their scores, and how it keeps it."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trainable.scores.score_file import read_scores
from trainable.scores.score_summary import summarise
from trainable.scores.scores import MOST_GROUPS, ScoreTable

CODECS = ("alaw", "opus low")


def index(num: int = 80, corpus: str = "", **facts: list[str]) -> pd.DataFrame:
    """Rows of an index: every fourth bona fide, speakers with a blank in their names, a codec, and a duration."""
    is_spoof = np.arange(num) % 4 > 0
    channel = [
        {"codec": CODECS[i % 2], "duration": f"{i}.5"}
        | {name: values[i] for name, values in facts.items() if values[i]}
        for i in range(num)
    ]
    return pd.DataFrame(
        {
            "utterance_id": [f"a,b/u{i}" for i in range(num)],
            "corpus": corpus,
            "speaker": [f"Ada {i % 5}" for i in range(num)],
            "attack": np.where(is_spoof, "A01", "-"),
            "label": np.where(is_spoof, "spoof", "bonafide"),
            "channel": [json.dumps(one) for one in channel],
        }
    )


def scores(num: int = 80) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, num) + (np.arange(num) % 4 == 0)


def test_speakers_and_channel_facts_are_groups() -> None:
    table = ScoreTable.of(index(gender=["F"] * 40 + [""] * 40, team=["T1", "T2"] * 40), scores())
    assert set(table.groups) == {"speaker", "codec", "gender"}
    assert table.groups["codec"][:2].tolist() == ["alaw", "opus_low"]
    assert table.groups["gender"][[0, 79]].tolist() == ["F", "-"]
    assert table.groups["speaker"][7] == "Ada_2"


def test_facts_of_too_many_values_are_no_groups() -> None:
    assert "duration" in ScoreTable.of(index(MOST_GROUPS), scores(MOST_GROUPS)).groups
    assert "duration" not in ScoreTable.of(index(MOST_GROUPS + 1), scores(MOST_GROUPS + 1)).groups


def test_an_index_that_tells_less_makes_fewer_groups() -> None:
    assert ScoreTable.of(index().drop(columns="channel"), scores()).groups.keys() == {"speaker"}
    assert ScoreTable.of(index().drop(columns=["channel", "speaker"]), scores()).groups == {}


@pytest.mark.parametrize("corpus", ["", "2019"])
def test_score_and_key_file_give_the_table_back(tmp_path: Path, corpus: str) -> None:
    """Also where names hold commas, a corpus is called like a number, and facts like columns of other key files."""
    facts = {"trial": ["x", "y"] * 40, "subset": ["p", "q"] * 40, "key": ["1", "2"] * 40, "file": ["m", "n"] * 40}
    table = ScoreTable.of(index(corpus=corpus, **facts), scores())
    table.write(tmp_path / "scores.txt")
    table.write_keys(tmp_path / "keys.txt")
    again = read_scores(tmp_path / "scores.txt", tmp_path / "keys.txt")
    assert again.utterance_id == table.utterance_id
    for column in ("attack", "label", "corpus", "score"):
        assert np.array_equal(getattr(again, column), getattr(table, column))
    assert set(again.groups) == set(table.groups) == {"speaker", "codec", "trial", "subset", "file"}
    assert all(np.array_equal(again.groups[name], table.groups[name]) for name in table.groups)
    assert summarise(again, 50) == summarise(table, 50)


def test_the_summary_is_by_codec_and_by_speakers_and_attacks() -> None:
    summary = summarise(ScoreTable.of(index(), scores()), 100)
    assert summary.by_group.keys() == {"codec"}
    rate = summary.by_group["codec"]["alaw"]
    assert (rate.num_bonafide, rate.num_spoof, rate.borrowed) == (20, 20, None)
    assert summary.group_interval is not None
    assert summary.group_interval.low <= summary.eer <= summary.group_interval.high


def test_unknown_speakers_are_not_one_speaker() -> None:
    table = ScoreTable.of(index(), scores())
    speaker = np.where(np.arange(len(table.score)) % 4, table.groups["speaker"], "-")
    unknown = dataclasses.replace(table, groups={**table.groups, "speaker": speaker})
    assert summarise(unknown, 50).group_interval is None


def test_a_fact_of_the_spoofs_alone_does_not_group_the_bona_fide_speech() -> None:
    vocoders = [("wavenet", "griffin")[i % 2] if i % 4 else "" for i in range(80)]
    rates = summarise(ScoreTable.of(index(vocoder=vocoders), scores()), 50).by_group["vocoder"]
    assert rates.keys() == {"wavenet", "griffin"}
    assert {rate.borrowed for rate in rates.values()} == {"bonafide"}


def test_one_corpus_of_several() -> None:
    table = ScoreTable.of(index(), scores())
    assert table.of_corpus("any").utterance_id == table.utterance_id
    mixed = ScoreTable.of(index().assign(corpus=["la", "itw"] * 40), scores())
    part = mixed.of_corpus("itw")
    assert part.utterance_id == mixed.utterance_id[1::2]
    assert part.groups["codec"].tolist() == ["opus_low"] * 40
    assert np.array_equal(part.score, mixed.score[1::2])
