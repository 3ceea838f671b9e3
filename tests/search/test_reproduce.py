import io
import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest
from mlflow import MlflowClient
from rich.console import Console

from cluster.errors import SpoofsweepError
from search.reproduce import Reproduction, read_run, reproduce
from trainable.checkpoints.checkpoint import read_record


@pytest.fixture(scope="module")
def runs(tiny_study, tiny_outcome):
    """The study's MLflow runs by kind and state."""
    client = MlflowClient(tiny_study.tracking_uri)
    experiment = client.get_experiment_by_name("spoofsweep").experiment_id
    return {
        (run.data.tags["spoofsweep.kind"], run.data.tags.get("spoofsweep.state")): run.info.run_id
        for run in client.search_runs([experiment])
    }


def repeat(tiny_study, reference, **arguments):
    console = Console(width=110, file=io.StringIO())
    shards = tiny_study.output / "shards"
    result = reproduce(reference, tiny_study.tracking_uri, shards, console=console, **arguments)
    return result, console.file.getvalue()


def test_champion_in_a_new_process_is_the_same_bit_for_bit_without_ray(tiny_study, tiny_outcome):
    code = f"""
import json, sys
from pathlib import Path
from search.reproduce import reproduce
result = reproduce("champion", {tiny_study.tracking_uri!r}, Path({str(tiny_study.output / "shards")!r}))
courses = [sorted((k, v.hex()) for k, v in c.items()) for c in (result.run.dev_eers, result.reproduced)]
print("ANSWER" + json.dumps([result.verdict, result.exit_status, courses, "ray" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    verdict, status, (recorded, reproduced), has_ray = json.loads(done.stdout.rpartition("ANSWER")[2])
    assert (verdict, status, has_ray) == ("same", 0, False)
    history = tiny_outcome.champion.finalist.record.history
    assert recorded == reproduced == [[r.samples_seen, r.metrics["dev_eer"].hex()] for r in history]


def test_finished_trial_and_its_saved_model(tiny_study, runs, tmp_path):
    result, text = repeat(tiny_study, runs["trial", "COMPLETE"], save=tmp_path / "model")
    assert result.verdict == "same"
    assert text.count("identical") == 2
    assert result.notes == []
    record = read_record(tmp_path / "model")
    assert record.dev_eer == result.run.dev_eers[max(result.run.dev_eers)]


def test_pruned_trial_stops_at_its_last_report(tiny_study, runs):
    result, _ = repeat(tiny_study, runs["trial", "PRUNED"])
    assert result.verdict == "same"
    assert list(result.reproduced) == list(result.run.dev_eers)
    assert len(result.reproduced) == 1


def test_the_studys_own_run_is_no_training(tiny_study, runs):
    with pytest.raises(SpoofsweepError, match="trial or a finalist"):
        repeat(tiny_study, runs["study", None])


def test_other_shards_are_refused(tiny_study, runs, tmp_path):
    with pytest.raises(SpoofsweepError, match=r"without .*give --shards"):
        reproduce(runs["trial", "PRUNED"], tiny_study.tracking_uri, tmp_path, console=Console(quiet=True))


def test_verdicts(tiny_study, runs):
    run = replace(
        read_run(runs["trial", "COMPLETE"], tiny_study.tracking_uri),
        dev_eers={10: 0.5, 20: 0.25},
        final_interval=(0.2, 0.3),
    )
    verdicts = {
        "same": {10: 0.5, 20: 0.25},
        "within noise": {10: 0.9, 20: math.nextafter(0.25, 1)},
        "different": {10: 0.5, 20: 0.31},
    }
    for verdict, reproduced in verdicts.items():
        result = Reproduction(run, reproduced)
        assert (result.verdict, result.exit_status) == (verdict, int(verdict == "different"))
    assert Reproduction(run, {10: 0.5}).verdict == "different"


@pytest.mark.parametrize(("kind", "state"), [("trial", "PRUNED"), ("finalist", "COMPLETE")])
def test_other_circumstances_are_said(tiny_study, runs, kind, state):
    client = MlflowClient(tiny_study.tracking_uri)
    run_id = runs[kind, state]
    others = {"code_version": "0.0.0+abc", "precision": "int4", "torch_version": "0.4.1"}
    before = client.get_run(run_id).data.tags
    for name, value in others.items():
        client.set_tag(run_id, f"spoofsweep.{name}", value)
    try:
        result, text = repeat(tiny_study, run_id)
    finally:
        for name in others:
            client.set_tag(run_id, f"spoofsweep.{name}", before[f"spoofsweep.{name}"])
    assert all(value in text for value in others.values())
    assert len(result.notes) == 3
