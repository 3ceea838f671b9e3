"""Examining a study on the session's own Ray."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from cluster.preflight import Finding
from data_prep.shards import ShardSet
from search.launching.doctor import examine, print_findings
from search.study.study import Study, load_study


def verdicts(findings: list[Finding]) -> dict[str, str]:
    return {one.what: one.verdict for one in findings}


def variant(study: Study, folder: Path, *changes: tuple[str, str]) -> Study:
    text = study.path.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (folder / "study.toml").write_text(text)
    return load_study(folder / "study.toml")


def test_a_study_that_can_run(tiny_study: Study, tiny_shards: ShardSet) -> None:
    findings = examine(tiny_study)
    assert [one for one in findings if one.verdict == "failed"] == []
    assert verdicts(findings).keys() >= {
        "nodes",
        "ledger",
        "MLflow",
        "versions",
        "folders",
        "clock",
        "code",
        "study",
        "shards",
        "resources",
        "largest trial",
    }
    (largest,) = [one for one in findings if one.what == "largest trial"]
    assert largest.found == "cnn_gru, 16 utterances of 1 s: its largest batch passes"
    assert not list(tiny_study.folder.glob(".marker-*"))


def test_every_fault_is_told_at_once(tiny_study: Study, tiny_shards: ShardSet, tmp_path: Path) -> None:
    study = variant(
        tiny_study,
        tmp_path,
        ("seed = 3", 'seed = 3\nstorage = "sqlite:////proc/none/optuna.db"'),
        ("[cluster]", '[mlflow]\ntracking_uri = "http://127.0.0.1:9"\n[cluster]\ncpus_per_trial = 64'),
        ('name = "tiny"', 'name = "sick"'),
    )
    findings = examine(study, num_nodes=3, joining_s=0.0)
    assert verdicts(findings) | {
        "nodes": "warning",
        "ledger": "failed",
        "MLflow": "failed",
        "MLflow server": "failed",
        "resources": "failed",
    } == verdicts(findings)
    console = Console(record=True, width=200)
    assert not print_findings(findings, console)
    shown = console.export_text()
    assert "MLflow server: " in shown
    assert "no answer from 127.0.0.1:9" in shown
    assert "let the node through to it" in shown


def test_damaged_shards_are_told_by_node(tiny_study: Study, tiny_shards: ShardSet, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(tiny_shards.folder, store / tiny_shards.shard_set_id)
    study = variant(tiny_study, tmp_path, ("[trial]", f'[shards]\nstore = "{store}"\n[trial]'))
    shard = next((store / tiny_shards.shard_set_id).glob("shard-*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-1])
    findings = examine(study)
    assert verdicts(findings)["study"] == "failed"
    assert any(shard.name in one.found for one in findings)


@pytest.mark.parametrize("verdict", ["warning", "failed"])
def test_only_failures_count(verdict: str) -> None:
    finding = Finding("clock", "ok", "a", "fine")
    assert print_findings([finding], Console(quiet=True))
    assert print_findings([replace(finding, verdict=verdict)], Console(quiet=True)) == (verdict == "warning")
