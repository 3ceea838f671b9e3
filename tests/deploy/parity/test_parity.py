"""The parity report of a small trained network that can follow a stream, and its gates."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from data_prep.config import CorpusConfig
from data_prep.corpora import read_corpus
from data_prep.decoding import decode
from data_prep.eer_bootstrap import eer_interval
from data_prep.error_rates import equal_error_rate
from deploy.cli import app
from deploy.compress.pruning import FineTuning, Pruner, shrunk
from deploy.parity.audio import ParityAudio
from deploy.parity.chain import ExportedModel
from deploy.parity.cli import parse_gates
from deploy.parity.contenders import Contender
from deploy.parity.eer_change import eer_change_interval
from deploy.parity.gates import Gates, breaches
from deploy.parity.row import INT8, ONNX, STREAMED, AttackRate, Row
from deploy.parity.run import Request, parity
from deploy.parity.scored import Scored
from deploy.stream.detector import Detector
from deploy.stream.onnx_latency import Latency
from deploy.stream.onnx_model import OnnxModel
from trainable.checkpoints.checkpoint import read_record
from trainable.config import TrialConfig
from trainable.metrics.calibration import Calibration
from trainable.metrics.detection_cost import act_dcf, cllr, min_dcf
from trainable.metrics.metrics import eer_by_attack
from trainable.scores.scores import ScoreTable
from trainable.training.training import Training

NO_STORE = "sqlite:///nowhere.db"
TRIAL = TrialConfig.model_validate(
    {
        "model": {"kind": "edge_gru", "edge_channels": (12, 12, 12), "gru_size": 12},
        "batch": {"size": 16, "crop_s": 1.0},
        "validation": {"num_resamples": 20, "window_s": 1.0},
        "budget_passes": 3.0,
    }
)
CHAIN = [
    *("float32", "bf16", "ONNX", "int8", "pruned", "pruned int8"),
    *("float32, whole file", "streamed", "streamed int8", "streamed pruned int8"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory, trained) -> tuple[Path, Path]:
    """An `edge_gru` trained for seconds, and what pruning left of it."""
    folder = tmp_path_factory.mktemp("edge")
    training = Training(TRIAL, trained.shards, seed=1)
    for _ in training:
        pass
    training.save(folder / "trained")
    pruner = Pruner(folder / "trained", trained.shards)
    pruner.prune("half", shrunk(TRIAL.model, 0.7), FineTuning(1.0), folder / "pruned")
    return folder / "trained", folder / "pruned"


@pytest.fixture(scope="module")
def run(models, sample_root):
    """The command's outcome, and the folder of the detector."""
    trained, pruned = models
    output = trained.parent / "detector"
    arguments = ["parity", trained, "--audio", sample_root, "--output", output, "--pruned", pruned]
    # Of 60 utterances, a single one is points of EER.
    gates = ["--gate", "max_int8_eer=0.2", "--gate", "max_pruned_int8_eer=0.5"]
    return CliRunner().invoke(app, [*map(str, arguments), *gates, "--tracking-uri", NO_STORE]), output


@pytest.fixture(scope="module")
def report(run):
    result, output = run
    assert result.exit_code == 0, result.output
    return json.loads((output / "parity.json").read_text())


def page_of(folder: Path) -> str:
    return (folder / "parity.html").read_text()


@pytest.mark.long
def test_the_chain_is_complete_and_passes(run, report):
    """PyTorch takes seconds to trace a model with open sizes."""
    assert [row["name"] for row in report["rows"]] == CHAIN
    assert report["passed"]
    assert not report["left_out"]
    assert all(name in run[0].output for name in CHAIN)
    rows = {row["name"]: row for row in report["rows"]}
    assert rows["ONNX"]["max_difference"] < 1e-4
    assert rows["streamed"]["max_difference"] < 1e-5
    assert 0 < rows["bf16"]["max_difference"] < 1
    assert rows["int8"]["num_bytes"] < rows["ONNX"]["num_bytes"]
    assert rows["bf16"]["num_bytes"] < 0.7 * rows["float32"]["num_bytes"]
    assert all(row["p50_ms"] <= row["p99_ms"] and row["cpu_s_per_hour"] > 0 for row in report["rows"])


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "file"), [("ONNX", "utterance.onnx"), ("streamed pruned int8", "pruned/int8/stream.onnx")]
)
def test_figures_are_those_of_the_scores(name, file, run, report, sample_root):
    """PyTorch takes seconds to trace a model with open sizes."""
    corpus = read_corpus(CorpusConfig(layout="asvspoof2019-la", root=str(sample_root)), sample_root, 0)
    utterances = pd.DataFrame([(u.label, u.attack, u.path) for u in corpus.utterances if u.split == "dev"])
    detector = Detector.load(run[1] / file)
    scores = np.array([detector.score(decode(path, 16000), 16000).score for path in utterances[2]])
    bonafide, spoof = scores[utterances[0] == "bonafide"], scores[utterances[0] == "spoof"]
    (row,) = (row for row in report["rows"] if row["name"] == name)
    # Chunks may change a score by rounding, and that an EER where two scores are that close.
    assert row["eer"] == pytest.approx(equal_error_rate(bonafide, spoof)[0], abs=1e-9)
    interval = eer_interval(bonafide, spoof)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high), abs=1e-6)
    assert row["min_dcf"] == pytest.approx(min_dcf(bonafide, spoof))
    by_attack = eer_by_attack(scores, utterances[0], utterances[1])
    assert {attack: rate["eer"] for attack, rate in row["by_attack"].items()} == pytest.approx(by_attack)
    calibration = OnnxModel.open(run[1] / file).card.calibration
    if calibration is not None:
        llrs = Calibration(*calibration)(bonafide), Calibration(*calibration)(spoof)
        assert (row["act_dcf"], row["cllr"]) == pytest.approx((act_dcf(*llrs), cllr(*llrs)), abs=1e-4)


@pytest.mark.long
def test_the_page_is_whole_and_fetches_nothing(run, report):
    """PyTorch takes seconds to trace a model with open sizes."""
    page = page_of(run[1])
    assert "prefers-color-scheme: dark" in page
    assert all(f"<td>{name}</td>" in page for name in CHAIN)
    sources = re.findall(r'(?:src|srcset|href)="([^"]*)"', page)
    assert len(sources) == 2
    assert all(source.startswith("data:") for source in sources)
    assert not re.search(r"https?://|@import|url\(|<script", page)


@pytest.mark.long
def test_a_gate_that_is_not_kept_fails(models, run, report, sample_root):
    """Scores the corpus again."""
    arguments = ["parity", models[0], "--audio", sample_root, "--output", run[1], "--utterances", "20"]
    gates = ["--gate", "max_size_kb=1", "--gate", "max_int8_eer=1"]
    result = CliRunner().invoke(app, [*map(str, arguments), *gates, "--tracking-uri", NO_STORE])
    assert result.exit_code == 1
    assert "FAILS streamed int8: max_size_kb" in " ".join(result.output.split())
    assert "Left out: pruned" in result.output
    gates = dict(re.findall(r"<tr><td>([^<]*)</td><td class=.n.>[^<]*</td><td class=[^>]*>([^<]*)", page_of(run[1])))
    assert gates["kB of the last file"] == "not kept"
    assert gates["points of EER that eight bits may cost"] == "kept"
    assert gates["points of EER that pruning and eight bits may cost"] == ""  # nothing is pruned here
    kept = json.loads((run[1] / "parity.json").read_text())
    (breach,) = kept["breaches"]
    assert (breach["row"], breach["gate"], breach["limit"]) == ("streamed int8", "max_size_kb", 1.0)
    assert kept["num_bonafide"] + kept["num_spoof"] == 20


@pytest.mark.long
def test_a_detector_that_is_there_is_not_exported_again(models, run, monkeypatch, tmp_path):
    """PyTorch takes seconds to trace a model with open sizes. Another export would lose the thresholds of this one."""
    monkeypatch.chdir(tmp_path)
    there = shutil.copytree(run[1], tmp_path / "results" / "detectors" / "trained")
    before = (there / "utterance.onnx").stat().st_mtime_ns
    found = ExportedModel.found_or_made(str(models[0]), NO_STORE, None, None)
    assert found.folder.samefile(there)
    assert (there / "utterance.onnx").stat().st_mtime_ns == before


@pytest.mark.long
def test_what_is_pruned_was_cut_out_of_the_same_model(models, run, trained, sample_root):
    """PyTorch takes seconds to trace a model with open sizes."""
    original = ExportedModel.found_or_made(str(models[0]), NO_STORE, None, run[1])
    with pytest.raises(SpoofsweepError, match="--pruned"):
        parity(original, Request(sample_root, str(trained.folder)), NO_STORE)


@pytest.mark.long
def test_an_export_that_fails_publishes_nothing(store, sample_root, tmp_path):
    """PyTorch takes seconds to trace a model with open sizes."""
    arguments = ["export", "champion", "--tracking-uri", store.uri, "--output", tmp_path / "detector"]
    gates = ["--gate", "max_size_kb=1", "--gate", "max_int8_eer=1", "--register"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--parity", str(sample_root), *gates])
    assert result.exit_code == 1, result.output
    assert "Not published" in result.output
    assert not (tmp_path / "detector").exists()
    assert (tmp_path / "detector-refused" / "parity.html").is_file()
    client = MlflowClient(store.uri, store.uri)
    assert "one-detector" not in {model.name for model in client.search_registered_models()}
    assert not client.list_artifacts(store.run_id, "parity")


@pytest.mark.long
def test_an_export_that_passes_is_published_with_its_report(store, sample_root, tmp_path):
    """PyTorch takes seconds to trace a model with open sizes."""
    arguments = ["export", "champion", "--tracking-uri", store.uri, "--output", tmp_path / "detector"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--parity", str(sample_root), "--gate", "max_int8_eer=1"])
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "detector").iterdir()}
    assert names >= {"utterance.onnx", "card.json", "int8", "parity.html", "parity.json"}
    kept = json.loads((tmp_path / "detector" / "parity.json").read_text())
    assert [row["name"] for row in kept["rows"]] == ["float32", "bf16", "ONNX", "int8"]
    assert any("cnn_gru looks at what comes later" in line for line in kept["left_out"])
    artifacts = MlflowClient(store.uri, store.uri).list_artifacts(store.run_id, "parity")
    assert {artifact.path for artifact in artifacts} == {"parity/parity.html", "parity/parity.json"}


ROW = Row(
    "float32", "float32", 0.02, 0.01, 0.03, 0.0, 0.0, 0.0, {"A01": AttackRate(0.02, 0.01, 0.03)},
    0.1, 0.1, 0.1, 0.0, 0.0, 100_000, 0.1, 0.1, 0.2, 1000.0, 3.0,
)  # fmt: skip


def test_gates_are_kept_on_the_limit_and_broken_beyond():
    def found(name: str, gates: Gates | None = None, **changes: float) -> list[str]:
        rows = [ROW, replace(ROW, name=name, **changes)]
        return [breach.gate for breach in breaches(rows, gates or Gates())]

    assert found(ONNX, max_difference=1e-3) == []
    assert found(ONNX, max_difference=1.1e-3) == ["max_onnx_difference"]
    assert found(STREAMED, max_difference=1.1e-5) == ["max_stream_difference"]
    assert found(INT8, max_difference=0.5, eer_change=0.0045, change_low=0.001) == []  # may be chance
    assert found(INT8, eer_change=0.0045, change_low=0.0011) == ["max_int8_eer"]
    assert found("streamed pruned int8", change_low=0.0011) == []
    assert found("streamed pruned int8", change_low=0.0031) == ["max_pruned_int8_eer"]
    assert found(ONNX, max_difference=float("nan")) == ["max_onnx_difference"]
    assert found(INT8, Gates(max_size_kb=100, max_latency_ms=0.1)) == ["max_latency_ms"]


def test_gates_by_name():
    assert parse_gates(["max_int8_eer=0.002"]) == Gates(max_int8_eer=0.002)
    with pytest.raises(SpoofsweepError, match="max_int8_eer"):
        parse_gates(["max_int8_er=0.002"])
    with pytest.raises(SpoofsweepError, match="NAME=LIMIT"):
        parse_gates(["max_int8_eer"])


def test_changes_of_eer_are_paired():
    rng = np.random.default_rng(0)
    scores = np.concatenate((rng.normal(1, 1, 300), rng.normal(-1, 1, 300)))
    label = np.repeat(["bonafide", "spoof"], 300)
    table = ScoreTable([str(n) for n in range(600)], label, label, np.full(600, ""), scores)
    # The order is the same: nothing has changed, however wide the EER's own interval is.
    assert eer_change_interval(table, replace(table, score=3 * scores + 1), 50) == (0.0, 0.0)
    low, high = eer_change_interval(table, replace(table, score=np.where(label == "spoof", scores + 1, scores)), 200)
    assert 0.05 < low < high < 0.2


def test_audio_is_that_of_the_training(trained, sample_root):
    record = read_record(trained.folder)
    everything = ParityAudio.open(sample_root, record, 0.1).utterances("dev", None)
    assert set(everything["utterance_id"]) == set(trained.dev_scores.utterance_id)
    attacks = sorted(set(everything["attack"]) - {"-"})
    held = record.model_copy(update={"held_out": (attacks[0],)})
    audio = ParityAudio.open(sample_root, held, 0.1)
    assert set(audio.utterances("dev", None)["attack"]) == {"-", attacks[0]}
    assert audio.utterances("eval", 10)["split"].tolist() == ["eval"] * 10
    drawn = audio.utterances("dev", 10)
    assert len(drawn) == 10  # of what is left when attacks are held out
    assert set(drawn["attack"]) == {"-", attacks[0]}
    with pytest.raises(SpoofsweepError, match="none that are"):
        audio.utterances("dev", 1)


def test_a_study_file_names_the_corpus(trained, sample_root, tmp_path):
    study = tmp_path / "study.toml"
    study.write_text(f'[study]\nname = "x"\n[corpus]\nlayout = "asvspoof2019-la"\nroot = "{sample_root}"\n')
    record = read_record(trained.folder)
    audio = ParityAudio.open(study, record, 0.1)
    assert audio.corpus.identity == ParityAudio.open(sample_root, record, 0.1).corpus.identity
    study.write_text('[study]\nname = "x"\n')
    with pytest.raises(SpoofsweepError, match=r"\[corpus\]"):
        ParityAudio.open(study, record, 0.1)


def test_files_that_cannot_be_scored_are_told(trained, sample_root, tmp_path):
    audio = ParityAudio.open(sample_root, read_record(trained.folder), 0.1)
    utterances = audio.utterances("dev", 4)
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"no audio")
    utterances.at[0, "path"], utterances.at[2, "path"] = broken, tmp_path / "missing.flac"
    length = Contender("length", lambda wave_T: float(len(wave_T)), lambda: Latency(1.0, 1.0, 1.0), 1)
    scored = Scored.of([length], audio, utterances)
    assert scored.tables["length"].utterance_id == utterances["utterance_id"].iloc[[1, 3]].tolist()
    assert scored.audio_s == sum(scored.tables["length"].score) / 16000
    assert scored.rejected.keys() == set(utterances["utterance_id"].iloc[[0, 2]])
    assert scored.rejected[utterances.at[2, "utterance_id"]] == "no such file"
    with pytest.raises(SpoofsweepError, match="no such file"):
        Scored.of([length], audio, utterances.iloc[[2]])
