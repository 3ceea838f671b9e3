import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from trainable.cli import app
from trainable.metrics import eer_interval
from trainable.scores import ScoreTable, summarise


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    utterances = pd.DataFrame(
        {
            "utterance_id": [f"u{i}" for i in range(60)],
            "attack": ["-"] * 20 + ["A01"] * 20 + ["A02"] * 20,
            "label": ["bonafide"] * 20 + ["spoof"] * 40,
        }
    )
    return ScoreTable.of(utterances, rng.normal(0, 1, 60) + 2 * np.array([1] * 20 + [0] * 40))


def test_a_score_file_gives_the_same_numbers_back(table, tmp_path):
    table.write(tmp_path / "scores.txt")
    again = ScoreTable.read(tmp_path / "scores.txt")
    assert again.utterance_id == table.utterance_id
    for column in ("attack", "label", "score"):
        assert np.array_equal(getattr(again, column), getattr(table, column))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("u1 - bonafide 1.0\nu2 A01 spoof\n", "line 2"),
        ("u1 - genuine 1.0\n", "genuine"),
        ("u1 - bonafide high\n", "'high'"),
    ],
)
def test_malformed_files_are_refused_with_the_line(tmp_path, text, complaint):
    (tmp_path / "scores.txt").write_text(text)
    with pytest.raises(SpoofsweepError, match=complaint):
        ScoreTable.read(tmp_path / "scores.txt")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SpoofsweepError, match="must exist"):
        ScoreTable.read(tmp_path / "none.txt")


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


@pytest.mark.parametrize("change", [{"utterance_id": ["my file"]}, {"attack": np.array(["deep fake"])}])
def test_names_with_white_space_are_not_written(tmp_path, change):
    one = ScoreTable(["u0"], np.array(["A01"]), np.array(["spoof"]), np.array([0.5]))
    with pytest.raises(SpoofsweepError, match="white space"):
        replace(one, **change).write(tmp_path / "scores.txt")
    assert not (tmp_path / "scores.txt").exists()
