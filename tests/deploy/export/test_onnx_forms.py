"""Every architecture as ONNX: what the graphs say is what PyTorch says."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx_runs import WINDOW_FRAMES, real_waves, session, step_scores, streamed, tiny_model, window_scores

from data_prep.features_config import FeaturesConfig
from deploy.export.onnx_forms import stream_graph, utterance_graph
from trainable.models import MODELS

FEATURES = FeaturesConfig(deltas=1, pre_emphasis=0.97)
STREAM_FEATURES = FeaturesConfig(deltas=0, pre_emphasis=0.97)
STREAMABLE = {
    "edge_gru": ("edge_gru", {}),
    "edge_gru-no-halving": ("edge_gru", {"time_strides": (1, 1)}),
    "cnn_gru": ("cnn_gru", {"causal": True, "gru_layers": 2}),
    "cnn_gru-residual": ("cnn_gru", {"causal": True, "block": "residual", "time_strides": (2, 1)}),
}
TOLERANCE = 1e-5
WINDOW = FEATURES.window_samples + (WINDOW_FRAMES - 1) * FEATURES.hop_samples


@pytest.fixture(scope="module")
def waves(sample_root):
    return real_waves(sample_root)


@pytest.mark.long
@pytest.mark.parametrize("kind", MODELS)
def test_utterance_form(kind, waves):
    """PyTorch takes seconds to trace a model with open sizes."""
    model = tiny_model(kind, FEATURES, waves)
    graph = utterance_graph(model, FEATURES, WINDOW_FRAMES)
    onnx.checker.check_model(graph, full_check=True)
    run = session(graph)
    for num_samples in (FEATURES.window_samples, WINDOW // 3, WINDOW, WINDOW + 1, 3 * WINDOW):
        for batch in (1, 3):
            part_BT = waves[:batch, :num_samples]
            (scores,) = run.run(None, {"samples": part_BT.numpy()})
            expected = window_scores(model, FEATURES, part_BT)
            torch.testing.assert_close(torch.from_numpy(scores), expected, rtol=0, atol=TOLERANCE)
    given = {"samples": waves.numpy(), "context_frames": np.array([[3, 10], [0, 13]])}
    expected = torch.stack([window_scores(model, FEATURES, waves, *around) for around in ((3, 10), (0, 13))], dim=1)
    torch.testing.assert_close(torch.from_numpy(run.run(None, given)[0]), expected.flatten(), rtol=0, atol=TOLERANCE)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "settings"), STREAMABLE.values(), ids=STREAMABLE.keys())
def test_stream_form(kind, settings, waves):
    """PyTorch takes seconds to trace a model with open sizes."""
    model = tiny_model(kind, STREAM_FEATURES, waves, **settings)
    graph = stream_graph(model, STREAM_FEATURES)
    onnx.checker.check_model(graph, full_check=True)
    run = session(graph)
    expected = step_scores(model, STREAM_FEATURES, waves)
    for batch in (1, 3):
        for chunks in ([1], [3, 1, 7], [10_000]):
            scores = streamed(run, model, STREAM_FEATURES, waves[:batch], chunks)
            torch.testing.assert_close(scores, expected[:batch], rtol=0, atol=TOLERANCE)


@pytest.mark.long
def test_large_constants_are_computed_by_the_runtime_as_it_loads(waves, tmp_path):
    """PyTorch takes seconds to trace a model with open sizes."""
    graph = stream_graph(tiny_model("edge_gru", STREAM_FEATURES, waves), STREAM_FEATURES)
    computed = {"Cos", "Sin", "ScatterElements", "Mod", "Range"}
    assert computed <= {node.op_type for node in graph.graph.node}
    assert graph.ByteSize() < 60_000
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    loaded = onnx.load(tmp_path / "loaded.onnx")
    assert not {"Shape", *computed} & {node.op_type for node in loaded.graph.node}
    largest = max(loaded.graph.initializer, key=lambda one: one.ByteSize())
    assert largest.dims[0] == STREAM_FEATURES.window_samples // 2
