"""The detector on exported networks: what PyTorch says of the same audio, whole and in any chunking."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from onnx_runs import WINDOW_FRAMES, real_waves, step_scores, tiny_model, window_card, write_stream

from data_prep.features import FrontEnd
from data_prep.features_config import FeaturesConfig
from deploy.export.onnx_file import write_detector
from deploy.export.onnx_forms import utterance_graph
from deploy.stream.detector import Detector
from trainable.config import ValidationConfig
from trainable.scores.scoring import score_features

STREAM_FEATURES = FeaturesConfig(kind="logmel", num_filters=20, pre_emphasis=0.97)
WINDOW_FEATURES = FeaturesConfig(deltas=2, pre_emphasis=0.97)


@pytest.fixture(scope="module")
def waves(sample_root):
    return real_waves(sample_root, 48_123)


@pytest.fixture(scope="module")
def stream(waves, tmp_path_factory):
    model = tiny_model("edge_gru", STREAM_FEATURES, waves)
    path = write_stream(tmp_path_factory.mktemp("export") / "stream.onnx", model, STREAM_FEATURES)
    return model, Detector.load(path)


@pytest.mark.long
def test_streamed_in_any_chunking_is_as_the_whole(stream, waves):
    """PyTorch takes seconds to trace a model with open sizes."""
    model, detector = stream
    expected = step_scores(model, STREAM_FEATURES, waves)[0].numpy()
    wave_T = waves[0].numpy()
    generator = np.random.default_rng(4)
    chunkings = [sorted(generator.integers(0, len(wave_T), count).tolist()) for count in (3, 30, 300)]
    for cuts in [[], *chunkings, range(1, len(wave_T), 1600)]:
        listener = detector.stream()
        scores = [s.score for a, b in pairwise([0, *cuts, len(wave_T)]) for s in listener.feed(wave_T[a:b])]
        np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert detector.score(wave_T, 16000).score == pytest.approx(expected.mean(), abs=1e-5)


@pytest.mark.long
def test_windows_with_context_are_as_in_validation(waves, tmp_path):
    """PyTorch takes seconds to trace a model with open sizes."""
    model = tiny_model("cnn_gru", WINDOW_FEATURES, waves)
    context_frames = 2 * WINDOW_FEATURES.delta_reach + 1  # one more for pre-emphasis
    graph = utterance_graph(model, WINDOW_FEATURES, WINDOW_FRAMES)
    write_detector(tmp_path / "utterance.onnx", graph, window_card(WINDOW_FEATURES, context_frames))
    detector = Detector.load(tmp_path / "utterance.onnx")
    validation = ValidationConfig(window_s=WINDOW_FRAMES * 0.01)
    for num_samples in (WINDOW_FEATURES.window_samples, 5000, 9760, 9920, 48_123):
        wave_T = waves[1, :num_samples]
        with torch.inference_mode():
            feat_TF = FrontEnd(WINDOW_FEATURES)(wave_T[None])[0]
        expected = score_features(model, feat_TF, validation, WINDOW_FEATURES)
        detection = detector.score(wave_T.numpy(), 16000)
        assert [w.score for w in detection.windows] == pytest.approx([w.score for w in expected], abs=1e-5)
        assert [w.start_s for w in detection.windows] == pytest.approx([0.01 * w.start_frame for w in expected])
