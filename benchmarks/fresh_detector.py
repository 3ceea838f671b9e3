"""A streaming detector that has learnt nothing: how long it takes does not depend on its weights."""

from pathlib import Path

import torch

from data_prep.features import FrontEnd
from data_prep.features_config import FeaturesConfig
from deploy.detector_card import DetectorCard
from deploy.export.form_cards import stream_card
from deploy.export.onnx_file import write_detector
from deploy.export.onnx_forms import stream_graph
from deploy.probe_waves import probe_waves
from trainable.config import ModelConfig
from trainable.models import build_model
from trainable.models.streamable import Streamable


def write_fresh_stream(path: Path, features: FeaturesConfig) -> Path:
    """Put the stream form of an edge_gru of default size at ``path``; its running statistics are those of noise."""
    torch.manual_seed(0)
    model = build_model(ModelConfig(kind="edge_gru"), features.num_bins)
    assert isinstance(model, Streamable)
    model(FrontEnd(features)(probe_waves(4 * features.sample_rate, features.sample_rate)))
    model.eval()
    rate, window, hop = features.sample_rate, features.window_samples, features.hop_samples
    card = DetectorCard("utterance", rate, window, hop, 400, "full", 0.0, architecture="edge_gru")
    write_detector(path, stream_graph(model, features), stream_card(card, features, model))
    return path
