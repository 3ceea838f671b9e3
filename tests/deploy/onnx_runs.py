"""What a graph and PyTorch say of the same waves, for tests of exported detectors."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import soundfile
import torch
from torch import Tensor, nn

from data_prep.features import FrontEnd
from data_prep.features_config import FeaturesConfig
from deploy.detector_card import DetectorCard
from deploy.export.form_cards import stream_card
from deploy.export.onnx_file import write_detector
from deploy.export.onnx_forms import state_shapes, stream_graph
from trainable.config import ModelConfig
from trainable.models import build_model
from trainable.models.streamable import Streamable
from trainable.scores.scoring import logit_difference

TINY = {"channels": (4, 6), "attention_size": 16, "attention_heads": 2, "attention_layers": 1, "gru_size": 8}
WINDOW_FRAMES = 60


def real_waves(sample_root: Path, num_samples: int = 32_000) -> Tensor:
    """Three utterances of the sample corpus, repeated or cut to one length."""
    paths = sorted((sample_root / "ASVspoof2019_LA_dev" / "flac").glob("*.flac"))[:3]
    waves = [torch.from_numpy(soundfile.read(path, dtype="float32")[0]) for path in paths]
    return torch.stack([wave.repeat(1 + num_samples // len(wave))[:num_samples] for wave in waves])


def seasoned(model: nn.Module, features: FeaturesConfig, wave_BT: Tensor) -> nn.Module:
    """Its running statistics are those of the waves."""
    feat_BTF = FrontEnd(features)(wave_BT)
    model.train()
    for _ in range(3):
        model(feat_BTF)
    return model.eval()


def tiny_model(kind: str, features: FeaturesConfig, wave_BT: Tensor, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    config = ModelConfig.model_validate({**TINY, "kind": kind, **settings})
    return seasoned(build_model(config, features.num_bins), features, wave_BT)


def window_card(features: FeaturesConfig, context_frames: int = 0) -> DetectorCard:
    """Of an utterance form that scores `WINDOW_FRAMES` at a time."""
    rate, window, hop = features.sample_rate, features.window_samples, features.hop_samples
    return DetectorCard("utterance", rate, window, hop, WINDOW_FRAMES, "full", 0.0, context_frames)


def write_stream(path: Path, model: Streamable, features: FeaturesConfig) -> Path:
    """A model's stream form; PyTorch takes seconds to trace it."""
    write_detector(path, stream_graph(model, features), stream_card(window_card(features), features, model))
    return path


def session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # a warning that the default of an optional input is no constant
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


@torch.inference_mode()
def window_scores(model: nn.Module, features: FeaturesConfig, wave_BT: Tensor, left: int = 0, right: int = 0) -> Tensor:
    """PyTorch's scores of all frames but the outer ones as one window."""
    feat_BTF = FrontEnd(features)(wave_BT)
    feat_BTF = feat_BTF[:, left : feat_BTF.shape[1] - right]
    num_frames = feat_BTF.shape[1]
    return logit_difference(model, feat_BTF[:, torch.arange(max(num_frames, WINDOW_FRAMES)) % num_frames])


@torch.inference_mode()
def step_scores(model: Streamable, features: FeaturesConfig, wave_BT: Tensor) -> Tensor:
    """PyTorch's scores of all whole steps."""
    logits_BSC = model.step_logits(FrontEnd(features)(wave_BT))
    return logits_BSC[..., 1] - logits_BSC[..., 0]


def streamed(
    run: onnxruntime.InferenceSession, model: Streamable, features: FeaturesConfig, wave_BT: Tensor, chunks: list[int]
) -> Tensor:
    """The stream form's scores of all whole steps, fed so many steps at a time, over and over."""
    lead = features.window_samples - features.hop_samples
    step = features.hop_samples * model.step_frames
    shapes = state_shapes(model, features)
    states = {name: np.zeros((len(wave_BT), *shape), np.float32) for name, shape in shapes.items()}
    if lead:
        states["tail"][:, -lead:] = wave_BT[:, :lead]
    scores, place, turn = [], lead, 0
    while place + step <= wave_BT.shape[1]:
        num_steps = min(chunks[turn % len(chunks)], (wave_BT.shape[1] - place) // step)
        part_BT = wave_BT[:, place : place + num_steps * step].numpy()
        score_BS, *following = run.run(None, {"samples": part_BT, **states})
        assert score_BS.shape == (len(wave_BT), num_steps)
        scores.append(score_BS)
        states = dict(zip(states, following, strict=True))
        place, turn = place + part_BT.shape[1], turn + 1
    return torch.from_numpy(np.concatenate(scores, axis=1))
