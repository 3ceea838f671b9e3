import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from deploy.packaging import pinned_requirements
from deploy.torch_detector import TorchDetector

REPOSITORY = Path(__file__).resolve().parents[2]
WAVES = np.random.default_rng(5).normal(0, 0.1, (3, 12000)).astype(np.float32)

LOAD = """
import json, sys
import numpy as np
{prelude}
import mlflow.pyfunc
model = mlflow.pyfunc.load_model({uri!r})
answer = model.predict(np.array({waves!r}, dtype=np.float32))
where = sys.modules["deploy.torch_detector"].__file__
print("ANSWER" + json.dumps([answer["score"].tolist(), answer["label"].tolist(), where]))
"""

# What the model must do without: the project's own installation, and every package that it does not declare.
FORBID = """
import importlib.abc
class Forbid(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"search", "ray", "optuna", "typer", "audiomentations", "pydub", "python_stretch"}:
            raise ImportError(name + " is not declared")
others = [f for f in sys.meta_path if not getattr(f, "__module__", "").startswith("__editable__")]
sys.meta_path[:] = [Forbid(), *others]
sys.path[:] = [p for p in sys.path if p != REPOSITORY]
import importlib.util
assert importlib.util.find_spec("deploy") is None, importlib.util.find_spec("deploy")
"""


def load_elsewhere(python, store, tmp_path, prelude=""):
    code = LOAD.format(prelude=prelude, uri=str(store.model_folder), waves=WAVES.tolist())
    done = subprocess.run([python, "-I", "-"], input=code, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rpartition("ANSWER")[2])


def assert_same_answers(answers, trained, store):
    scores, labels, where = answers
    detections = [TorchDetector.load(trained.folder).score(wave, 16000) for wave in WAVES]
    assert scores == pytest.approx([d.score for d in detections], abs=1e-6)
    assert labels == [d.label for d in detections]
    assert where.startswith(str(store.model_folder))


def test_nothing_is_pickled(store):
    names = [path.name for path in store.model_folder.rglob("*") if path.is_file()]
    assert {"model.safetensors", "model.json", "pyfunc_model.py"} <= set(names)
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".pth", ".bin"))]


def test_only_code_and_model_travel(store):
    shipped = {path.relative_to(store.model_folder).as_posix() for path in store.model_folder.rglob("*")}
    assert {
        "artifacts/detector/model.json",
        "code/deploy/torch_detector.py",
        "code/data_prep/features/__init__.py",
    } <= shipped
    unwanted = ("/sample/", "ray_adapter", "training.safetensors")
    assert not [name for name in shipped if any(part in name for part in unwanted)]


def test_signature_and_example(store):
    model = yaml.safe_load((store.model_folder / "MLmodel").read_text())
    (wave,) = json.loads(model["signature"]["inputs"])
    assert wave["tensor-spec"] == {"dtype": "float32", "shape": [-1, -1]}
    assert [column["name"] for column in json.loads(model["signature"]["outputs"])] == ["score", "label"]
    assert model["saved_input_example_info"]["type"] == "ndarray"


def test_requirements_are_pinned(store):
    lines = (store.model_folder / "requirements.txt").read_text().split()
    assert lines == pinned_requirements()
    assert all("==" in line and "+" not in line for line in lines)
    assert not {"ray", "optuna"} & {line.partition("==")[0] for line in lines}


def test_loads_without_the_project_and_without_undeclared_packages(store, trained, tmp_path):
    prelude = FORBID.replace("REPOSITORY", repr(str(REPOSITORY)))
    assert_same_answers(load_elsewhere(sys.executable, store, tmp_path, prelude), trained, store)


@pytest.mark.long
def test_loads_in_an_environment_of_its_own_requirements(store, trained, tmp_path):
    """Installs torch and MLflow into a new environment: most of a minute with a warm cache."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("uv makes the environment")
    python = tmp_path / "venv" / "bin" / "python"
    requirements = store.model_folder / "requirements.txt"
    subprocess.run([uv, "venv", "--python", sys.executable, tmp_path / "venv"], check=True)
    subprocess.run([uv, "pip", "install", "--python", python, "-r", requirements], check=True)
    assert_same_answers(load_elsewhere(python, store, tmp_path), trained, store)
