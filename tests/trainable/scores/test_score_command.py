import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from data_prep.eer_bootstrap import eer_interval
from data_prep.error_rates import equal_error_rate
from trainable.cli import app
from trainable.scores.score_file import read_scores
from trainable.scores.score_summary import GroupRate, summarise
from trainable.scores.scores import ScoreTable


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    utterances = pd.DataFrame(
        {
            "utterance_id": [f"u{i}" for i in range(60)],
            "corpus": "",
            "attack": ["-"] * 20 + ["A01"] * 20 + ["A02"] * 20,
            "label": ["bonafide"] * 20 + ["spoof"] * 40,
        }
    )
    return ScoreTable.of(utterances, rng.normal(0, 1, 60) + 2 * np.array([1] * 20 + [0] * 40))


def test_a_score_file_gives_the_same_numbers_back(table, tmp_path):
    table.write(tmp_path / "scores.txt")
    again = read_scores(tmp_path / "scores.txt")
    assert again.utterance_id == table.utterance_id
    for column in ("attack", "label", "corpus", "score"):
        assert np.array_equal(getattr(again, column), getattr(table, column))


def test_names_of_corpora_are_written_where_there_are_several(table, tmp_path):
    several = replace(table, corpus=np.array(["", "itw"] * 30))
    several.write(tmp_path / "scores.txt")
    assert (tmp_path / "scores.txt").read_text().splitlines()[1].endswith(" itw")
    assert np.array_equal(read_scores(tmp_path / "scores.txt").corpus, several.corpus)
    table.write(tmp_path / "scores.txt")
    assert {len(line.split()) for line in (tmp_path / "scores.txt").read_text().splitlines()} == {4}


def test_each_corpus_is_judged_by_itself(table):
    """A01 and half of the bona fide speech in one corpus, A02 in another, the rest of the bona fide in a third."""
    corpus = np.array(["la"] * 10 + ["human"] * 10 + ["la"] * 20 + ["tts"] * 20)
    rates = summarise(replace(table, corpus=corpus), 50, 0.9).by_corpus
    bonafide, spoof = table.score[:20], table.score[20:]
    expected = {
        "human": (10, 0, bonafide[10:], spoof, "spoof"),
        "la": (10, 20, bonafide[:10], spoof[:20], None),
        "tts": (0, 20, bonafide, spoof[20:], "bonafide"),
    }
    assert rates == {
        name: GroupRate(num_bonafide, num_spoof, equal_error_rate(b, s)[0], eer_interval(b, s, 50, 0.9), borrowed)
        for name, (num_bonafide, num_spoof, b, s, borrowed) in expected.items()
    }
    assert summarise(table).by_corpus == {}


def test_the_command_shows_corpora(table, tmp_path):
    replace(table, corpus=np.array(["la"] * 40 + ["tts"] * 20)).write(tmp_path / "scores.txt")
    shown = CliRunner().invoke(app, [str(tmp_path / "scores.txt")]).stdout
    rates = summarise(read_scores(tmp_path / "scores.txt")).by_corpus
    assert re.search(rf"corpus la .*{100 * rates['la'].eer:.2f}", shown)
    assert "against the bona fide" in shown
    printed = json.loads(CliRunner().invoke(app, [str(tmp_path / "scores.txt"), "--json"]).stdout)
    assert printed["by_corpus"]["tts"]["eer"] == rates["tts"].eer
    assert printed["by_corpus"]["tts"]["interval"]["low"] == rates["tts"].interval.low


def test_the_command_prints_what_the_summary_says(table, tmp_path):
    table.write(tmp_path / "scores.txt")
    summary = summarise(table)
    result = CliRunner().invoke(app, [str(tmp_path / "scores.txt"), "--json"])
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert printed["eer"] == summary.eer
    assert printed["by_attack"] == summary.by_attack
    assert printed["interval"]["high"] == summary.interval.high
    assert printed["attack_intervals"]["A02"] == summary.attack_intervals["A02"]._asdict()
    shown = CliRunner().invoke(app, [str(tmp_path / "scores.txt")]).stdout
    assert f"{100 * summary.eer:.2f}" in shown
    low, high, _ = summary.attack_intervals["A02"]
    assert re.search(rf"A02 .*{100 * low:.2f} to {100 * high:.2f}", shown)
    assert "20 bona fide, 40 spoofed" in shown


def test_intervals_of_attacks_are_against_all_bona_fide(table):
    summary = summarise(table, num_resamples=50, confidence=0.9)
    assert list(summary.attack_intervals) == ["A01", "A02"]
    assert summary.attack_intervals["A02"] == eer_interval(table.score[:20], table.score[40:], 50, 0.9)


@pytest.mark.parametrize(
    "change",
    [{"utterance_id": ["my file"]}, {"attack": np.array(["deep fake"])}, {"corpus": np.array(["in the wild"])}],
)
def test_names_with_white_space_are_not_written(tmp_path, change):
    one = ScoreTable(["u0"], np.array(["A01"]), np.array(["spoof"]), np.array([""]), np.array([0.5]))
    with pytest.raises(SpoofsweepError, match="white space"):
        replace(one, **change).write(tmp_path / "scores.txt")
    assert not (tmp_path / "scores.txt").exists()
