import csv
import io
import json
import shutil

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from deploy.cli import app, find_audio


@pytest.fixture
def folder(trained, tmp_path):
    """Two utterances, one of them below a folder of its own, and a file that is no audio."""
    first, second = trained.dev_scores.utterance_id[:2]
    (tmp_path / "deep").mkdir()
    shutil.copy(trained.path(first), tmp_path / "a.flac")
    shutil.copy(trained.path(second), tmp_path / "deep" / "[b].FLAC")
    (tmp_path / "notes.txt").write_text("no audio")
    return tmp_path


def detect(*arguments):
    return CliRunner().invoke(app, ["detect", *map(str, arguments)])


def test_json_of_a_folder(folder, trained):
    result = detect(folder, "--model", trained.folder, "--json", "--windows")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert [row["file"] for row in rows] == [str(folder / "a.flac"), str(folder / "deep" / "[b].FLAC")]
    assert [row["score"] for row in rows] == pytest.approx(trained.dev_scores.score[:2], abs=1e-5)
    assert {row["label"] for row in rows} <= {"bonafide", "spoof"}
    assert rows[0]["windows"][-1]["running_score"] == rows[0]["score"]


def test_a_broken_file_does_not_stop_the_others(folder, trained):
    (folder / "a0.wav").write_bytes(b"")
    result = detect(folder, "--model", trained.folder, "--json")
    assert result.exit_code == 1
    rows = {row["file"].rpartition("/")[2]: row for row in json.loads(result.stdout)}
    assert "empty file" in rows["a0.wav"]["error"]
    assert rows["a0.wav"]["score"] is None
    assert rows["a.flac"]["error"] is None
    assert rows["[b].FLAC"]["score"] is not None


def test_csv_to_standard_output_and_to_a_file(folder, trained):
    printed = detect(folder, "--model", trained.folder, "--csv", "-").stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert float(rows[0]["score"]) == pytest.approx(trained.dev_scores.score[0], abs=1e-5)
    path = folder / "verdicts.csv"
    assert detect(folder, "--model", trained.folder, "--csv", path).exit_code == 0
    assert path.read_text() == printed


def test_threshold_decides(folder, trained):
    for threshold, label in ((-1e6, "bonafide"), (1e6, "spoof")):
        result = detect(folder, "--model", trained.folder, "--threshold", threshold, "--json")
        rows = json.loads(result.stdout)
        assert [(row["label"], row["threshold"]) for row in rows] == [(label, threshold)] * 2


def test_table_of_a_long_file(trained, tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 16000 * 4), 16000)
    result = detect(path, "--model", trained.folder, "--windows")
    assert result.exit_code == 0
    assert "2.99 to 3.99 s" in result.stdout
    assert "running score" in result.stdout


def test_champion_from_the_store(store, trained, folder):
    result = detect(folder / "a.flac", "--tracking-uri", store.uri, "--json")
    assert json.loads(result.stdout)[0]["score"] == pytest.approx(trained.dev_scores.score[0], abs=1e-5)


def test_paths_are_searched_once_each(folder):
    assert find_audio([folder / "a.flac", folder]) == [folder / "a.flac", folder / "deep" / "[b].FLAC"]


@pytest.mark.parametrize(("name", "words"), [("gone.wav", "must exist"), ("empty", "audio to score")])
def test_paths_without_audio_are_refused(tmp_path, name, words):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpoofsweepError, match=words):
        find_audio([tmp_path / name])
