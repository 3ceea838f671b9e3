"""The forms of a detector that a parity report compares: each scores a wave, and can be timed.

Array names carry shapes: B batch, T samples or frames, F feature bins.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from data_prep.features import FrontEnd
from deploy.stream.detector import Detector
from deploy.stream.onnx_latency import Latency
from deploy.stream.onnx_model import OnnxModel
from deploy.stream.samples import Wave
from deploy.timing import quantiles_ms
from trainable.checkpoints.checkpoint import ModelRecord
from trainable.hardware.precision import autocast
from trainable.scores.scoring import frames_in, logit_difference, score_features

_CHUNK_S = 0.1
"""Mean length of the pieces in which a stream is fed."""
_NUM_RUNS = 100
"""Of a window through PyTorch."""


@dataclass(frozen=True)
class Contender:
    """One form of the detector."""

    name: str
    score: Callable[[Wave], float]
    latency: Callable[[], Latency]
    num_bytes: int


class _Bfloat16(nn.Module):
    """``feat_BTF -> logits_BC``, computed as mixed precision does; scores stay float32."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, feat_BTF: Tensor) -> Tensor:
        with autocast("bf16", feat_BTF.device):
            logits_BC: Tensor = self.model(feat_BTF)
        return logits_BC.float()


class _TorchScorer:
    """Scores a wave by windows, as validation does, or all of it at once."""

    def __init__(self, record: ModelRecord, model: nn.Module, is_whole: bool = False) -> None:
        self._record, self._model, self._is_whole = record, model.eval(), is_whole
        self._front_end = FrontEnd(record.features).eval()

    @torch.inference_mode()
    def __call__(self, wave_T: Wave) -> float:
        feat_TF = self._front_end(torch.from_numpy(wave_T)[None])[0]
        if self._is_whole:
            return float(logit_difference(self._model, feat_TF[None])[0])
        record = self._record
        return fmean(
            window.score for window in score_features(self._model, feat_TF, record.trial.validation, record.features)
        )

    def latency(self) -> Latency:
        """Of a window, front end included."""
        features = self._record.features
        num_frames = frames_in(self._record.trial.validation.window_s, features)
        num_samples = features.window_samples + (num_frames - 1) * features.hop_samples
        noise_T = np.random.default_rng(0).normal(0.0, 0.1, num_samples).astype(np.float32)
        return Latency(num_samples / features.sample_rate, *quantiles_ms(lambda: self(noise_T), _NUM_RUNS))


def torch_contender(
    name: str, record: ModelRecord, model: nn.Module, precision: str = "float32", is_whole: bool = False
) -> Contender:
    """The trained model itself, on features in float32."""
    network = _Bfloat16(model) if precision == "bf16" else model
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    weights = {key: t.to(dtype) if t.is_floating_point() else t for key, t in model.state_dict().items()}
    num_bytes = len(safetensors.torch.save({key: t.contiguous() for key, t in weights.items()}))
    scorer = _TorchScorer(record, network, is_whole)
    return Contender(name, scorer, scorer.latency, num_bytes)


def file_contender(name: str, path: Path) -> Contender:
    """An exported file: a stream form scores pieces of random lengths, of the other the caller cuts windows."""
    model = OnnxModel.open(path)
    score = _stream_score if model.card.form == "stream" else _window_score
    return Contender(name, partial(score, Detector(model)), partial(Latency.of, model), path.stat().st_size)


def _window_score(detector: Detector, wave_T: Wave) -> float:
    return detector.score(wave_T, detector.sample_rate).score


def _stream_score(detector: Detector, wave_T: Wave) -> float:
    """The running mean behind the last step; the lengths of the pieces follow from the wave's."""
    stream = detector.stream()
    rng = np.random.default_rng(len(wave_T))
    longest = 2 * round(_CHUNK_S * detector.sample_rate)
    place = 0
    while place < len(wave_T):
        size = int(rng.integers(1, longest))
        stream.feed(wave_T[place : place + size])
        place += size
    stream.finish()
    assert stream.running_score is not None  # files shorter than a step are set aside before
    return stream.running_score
