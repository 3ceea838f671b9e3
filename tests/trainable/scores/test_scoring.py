import numpy as np
import pytest
import torch

from data_prep.config import FeaturesConfig
from trainable.config import ModelConfig, ValidationConfig
from trainable.data.feature_store import FeatureStore
from trainable.data.windows import window_starts
from trainable.models import build_model
from trainable.scores.scoring import frames_in, score_batches, score_features, score_store

FEATURES = FeaturesConfig(kind="logmel", num_filters=12)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model(ModelConfig(channels=(4,), gru_size=8), 12).eval()


@pytest.mark.parametrize(
    ("num_frames", "coverage", "starts"),
    [
        (1, "full", [0]),
        (10, "full", [0]),
        (11, "full", [0, 1]),
        (20, "full", [0, 10]),
        (25, "full", [0, 10, 15]),
        (25, "first", [0]),
    ],
)
def test_windows_cover_the_utterance_and_end_with_it(num_frames, coverage, starts):
    assert window_starts(num_frames, 10, coverage) == starts


def test_durations_become_frames():
    assert frames_in(2.0, FEATURES) == 200
    assert frames_in(1e-6, FEATURES) == 1


def test_a_short_utterance_repeats(model):
    features = torch.randn(7, 12)
    validation = ValidationConfig(window_s=0.2)
    (short,) = score_features(model, features, validation, FEATURES)
    (repeated,) = score_features(model, features.repeat(3, 1)[:20], validation, FEATURES)
    assert short.score == repeated.score
    assert (short.start_frame, short.end_frame) == (0, 7)
    assert (repeated.start_frame, repeated.end_frame) == (0, 20)


def test_windows_are_scored_alike_alone_and_together(model):
    features = torch.randn(55, 12)
    windows = score_features(model, features, ValidationConfig(window_s=0.2, batch_size=2), FEATURES)
    assert [(w.start_frame, w.end_frame) for w in windows] == [(0, 20), (20, 40), (35, 55)]
    for window in windows:
        piece = features[window.start_frame : window.end_frame]
        (alone,) = score_features(model, piece, ValidationConfig(window_s=0.2), FEATURES)
        assert window.score == pytest.approx(alone.score, abs=1e-5)


@pytest.mark.parametrize("coverage", ["first", "full"])
def test_validation_and_detection_agree(model, toy_shards, coverage):
    validation = ValidationConfig(window_s=0.3, coverage=coverage, batch_size=7)
    store = FeatureStore(toy_shards, "dev", torch.device("cpu"), clean_only=True)
    scores = score_store(model, store, validation, FEATURES)
    for utterance in range(24):
        view = store.first_view_U[[utterance]]
        features = store.gather(view, np.array([0]), int(store.num_frames_V[view[0]]))[0]
        windows = score_features(model, features, validation, FEATURES)
        assert scores[utterance] == pytest.approx(np.mean([w.score for w in windows]), abs=1e-5)


def test_scoring_leaves_the_model_in_its_mode(model, toy_shards):
    store = FeatureStore(toy_shards, "dev", torch.device("cpu"), clean_only=True)
    statistics = {name: value.clone() for name, value in model.named_buffers()}
    model.train()
    score_store(model, store, ValidationConfig(), FEATURES)
    assert model.training
    model.eval()
    assert all(torch.equal(value, statistics[name]) for name, value in model.named_buffers())


def test_scores_are_in_full_precision():
    """Whatever the process is set to; the flags matter on a GPU alone."""

    class Probe(torch.nn.Module):
        def forward(self, feat_BTF):
            cudnn = torch.backends.cudnn
            self.seen = cudnn.allow_tf32, cudnn.deterministic, torch.get_float32_matmul_precision()
            return feat_BTF[:, 0, :2]

    probe = Probe()
    torch.set_float32_matmul_precision("medium")
    try:
        score_batches(probe, [torch.ones(1, 3, 4)])
        assert probe.seen == (False, True, "highest")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
