"""The data doctor as a user calls it."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from search.cli import app

STUDY = """
[study]
name = "ill"
seed = 4
output = "{folder}/results"

[corpus]
layout = "manifest"
root = "corpus/list.csv"
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study on a corpus of noise with one file that is none."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    rng = np.random.default_rng(0)
    lines = ["path,label,split"]
    for split in ("train", "dev"):
        for i in range(4):
            soundfile.write(corpus / f"{split}{i}.wav", 0.1 * rng.standard_normal(4000), 16000)
            lines.append(f"{split}{i}.wav,{'spoof' if i % 2 else 'bonafide'},{split}")
    (corpus / "train1.wav").write_text("no audio")
    (corpus / "list.csv").write_text("\n".join(lines))
    (tmp_path / "ill.toml").write_text(STUDY.format(folder=tmp_path))
    return tmp_path / "ill.toml"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["audit", *map(str, arguments), "--workers", "1"], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_audit_writes_its_files_and_says_where(study: Path) -> None:
    shown = run(study)
    folder = study.parent / "results" / "studies" / "ill" / "audit"
    assert "1 file would be rejected" in shown
    for name in ("audit.json", "audit.html", "measurements.parquet"):
        assert (folder / name).is_file()
        assert str(folder / name) in shown
    assert "not readable as audio" in (folder / "audit.html").read_text()


def test_json_is_all_that_is_printed(study: Path) -> None:
    report = json.loads(run(study, "--json"))
    assert (report["study"], report["seed"], report["measured"]) == ("ill", 4, 7)
    assert report["rejected"][0]["file"] == "train1.wav"
    assert json.loads(run(study, "--json", "--max-files", 4))["chosen"] == 4
