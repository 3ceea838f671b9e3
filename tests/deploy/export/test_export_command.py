"""`export` as a user calls it, up to the registered model that needs no torch."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import yaml
from mlflow import MlflowClient
from rich.console import Console
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from deploy.cli import app
from deploy.detector_card import WHOLE_FILE, DetectorCard
from deploy.export.cli import print_export
from deploy.export.detector_registry import REQUIREMENTS, register_detector
from deploy.export.export import Export
from deploy.export.model_origin import ModelOrigin
from deploy.models import resolve
from deploy.packaging import pinned_requirements
from deploy.stream.detector import Detector

WAVES = np.random.default_rng(5).normal(0, 0.1, (3, 12_000)).astype(np.float32)
SERVER_START_S = 60.0

LOAD_WITHOUT_TORCH = """
import importlib.abc, json, sys
import numpy as np
class Forbid(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchaudio", "ray", "optuna", "typer", "onnx", "onnxscript", "search"}:
            raise ImportError(name + " is not there")
others = [f for f in sys.meta_path if not getattr(f, "__module__", "").startswith("__editable__")]
sys.meta_path[:] = [Forbid(), *others]
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(%(uri)r)
answer = model.predict(np.array(%(waves)r, dtype=np.float32))
where = sys.modules["deploy.stream.detector"].__file__
print("ANSWER" + json.dumps([answer["score"].tolist(), answer["label"].tolist(), where]))
"""


@pytest.fixture(scope="session")
def registered(tmp_path_factory, store, trained):
    """The command's output, the exported folder and the logged MLflow model of the store's champion."""
    folder = tmp_path_factory.mktemp("registered") / "detector"
    arguments = ["champion", "--tracking-uri", store.uri, "--output", folder, "--shards", trained.shards.folder]
    wishes = ["--false-alarm-rate", "0.1", "--spoof-prior", "0.5", "--decide-at", "false_alarm_rate=0.1"]
    result = CliRunner().invoke(app, [str(one) for one in ("export", *arguments, *wishes, "--register")])
    assert result.exit_code == 0, result.output
    client = MlflowClient(store.uri, store.uri)
    version = client.get_model_version_by_alias("one-detector", "champion")
    source = client.get_logged_model(version.source.removeprefix("models:/")).artifact_location
    return result.stdout, folder, Path(source.removeprefix("file://")), version


@pytest.mark.long
def test_what_the_command_tells(registered):
    """PyTorch takes seconds to trace a model with open sizes."""
    output, folder, _, version = registered
    for words in (
        "utterance.onnx",
        "No stream.onnx",
        "false_alarm_rate=0.1",
        "(decides)",
        "Registered as one-detector",
    ):
        assert words in output
    card = json.loads((folder / "card.json").read_text())
    assert card["threshold"] == card["operating_points"]["false_alarm_rate=0.1"]
    assert (card["name"], card["version"]) == ("one", "1")
    assert card["calibration"] is not None
    assert version.tags["spoofsweep.signature"] == card["signature"]


@pytest.mark.long
def test_the_champion_stays_the_trained_model(registered, store, trained):
    """PyTorch takes seconds to trace a model with open sizes."""
    folder = resolve("champion", store.uri)
    assert (folder / "model.json").read_text() == (trained.folder / "model.json").read_text()


@pytest.mark.long
def test_detect_scores_as_the_exported_file(registered, trained, store):
    """PyTorch takes seconds to trace a model with open sizes."""
    name = trained.dev_scores.utterance_id[0]
    result = CliRunner().invoke(app, ["detect", str(trained.path(name)), "--tracking-uri", store.uri, "--json"])
    score = Detector.load(registered[1] / "utterance.onnx").score_file(trained.path(name)).score
    assert json.loads(result.stdout)[0]["score"] == pytest.approx(score, abs=5e-3)


@pytest.mark.long
def test_the_registered_model_loads_without_torch_and_scores_the_same(registered, tmp_path):
    """MLflow takes seconds to load a model in a process of its own."""
    _, folder, logged, _ = registered
    code = LOAD_WITHOUT_TORCH % {"uri": str(logged), "waves": WAVES.tolist()}
    done = subprocess.run([sys.executable, "-I", "-"], input=code, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scores, labels, where = json.loads(done.stdout.rpartition("ANSWER")[2])
    detections = [Detector.load(folder / "utterance.onnx").score(wave_T, 16_000) for wave_T in WAVES]
    assert scores == pytest.approx([detection.score for detection in detections], abs=1e-6)
    assert labels == [detection.label for detection in detections]
    assert where.startswith(str(logged))


@pytest.mark.long
def test_the_registered_model_declares_what_it_takes_and_needs(registered):
    """PyTorch takes seconds to trace a model with open sizes."""
    _, _, logged, _ = registered
    model = yaml.safe_load((logged / "MLmodel").read_text())
    (wave,) = json.loads(model["signature"]["inputs"])
    assert wave["tensor-spec"] == {"dtype": "float32", "shape": [-1, -1]}
    assert (logged / "requirements.txt").read_text().split() == pinned_requirements(REQUIREMENTS)
    names = {path.name for path in (logged / "artifacts" / "detector").iterdir()}
    assert names == {"utterance.onnx", "card.json", "model.json", "model.safetensors"}


@pytest.mark.long
def test_mlflow_serves_the_same_score(registered, tmp_path):
    """Starts MLflow's scoring server."""
    _, folder, logged, _ = registered
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "mlflow", "models", "serve", "-m", str(logged), "-p", str(port), "--env-manager", "local"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *command], cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", server)
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps({"inputs": WAVES.tolist()}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            rows = json.load(answer)["predictions"]
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # MLflow runs the server as a process of its own
        server.wait(20)
    expected = [Detector.load(folder / "utterance.onnx").score(wave_T, 16_000).score for wave_T in WAVES]
    assert [row["score"] for row in rows] == pytest.approx(expected, abs=1e-6)


def wait_for(url: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + SERVER_START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server did not start")


@pytest.mark.parametrize(("context", "words"), [(5, "scored by windows"), (WHOLE_FILE, "live audio is not")])
def test_what_becomes_of_live_audio_is_told(context, words):
    card = DetectorCard("utterance", 16_000, 320, 160, 100, "full", 0.0, context)
    console = Console(file=io.StringIO(), width=200)
    print_export(Export(Path("here"), ModelOrigin(Path("model")), card, (), "it looks ahead"), console)
    assert words in console.file.getvalue()


def test_a_folder_cannot_be_registered(tmp_path):
    with pytest.raises(SpoofsweepError, match="belongs to an MLflow run"):
        register_detector(tmp_path, None, "", "sqlite:///nowhere.db")
