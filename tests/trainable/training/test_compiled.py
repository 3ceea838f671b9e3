import shutil

import pytest
import torch
from courses import assert_resumes_exactly

from trainable.training.training import Training

pytestmark = [
    pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler"),
    pytest.mark.long,
    # Of its own tracing, on the way from one of our layers to the next.
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
]


def test_a_compiled_training_takes_the_same_course_and_resumes(toy_shards, toy_trial, tmp_path):
    """Compiles a network's forward and backward pass: about half a minute."""
    config = toy_trial(execution="compiled", precision="float32", batch={"size": 8, "crop_s": 0.5}, budget_passes=1.0)
    plain = Training(config.model_copy(update={"execution": "eager"}), toy_shards, seed=3)
    compiled = Training(config, toy_shards, seed=3)
    expected, found = next(plain), next(compiled)
    assert found.metrics["train_loss"] == pytest.approx(expected.metrics["train_loss"], rel=1e-3)
    for name, weight in plain.model.state_dict().items():
        torch.testing.assert_close(compiled.model.state_dict()[name], weight, rtol=0.05, atol=5e-3)
    assert compiled.plan.startswith("float32, eager, compiled")
    assert_resumes_exactly(config, toy_shards, tmp_path / "checkpoint", steps=2)
