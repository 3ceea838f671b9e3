"""Holds an exported file against the trained model, and times it.

Legend: B batch, T samples or frames, F feature bins, S steps.
"""

from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cluster.errors import SpoofsweepError
from data_prep.features import FrontEnd
from data_prep.features_config import FeaturesConfig
from deploy.chunk_by_chunk import RunChunk, follow, step_scores
from deploy.detector_card import NEXT, SAMPLES, SCORES
from deploy.probe_waves import probe_waves
from deploy.stream.onnx_latency import Latency
from deploy.stream.onnx_model import OnnxModel
from trainable.models.streamable import Streamable
from trainable.scores.scoring import logit_difference

TOLERANCE = 1e-3
"""Of scores. What is measured is 1e-6 and less; but a score may hang on which of two nearly equal values is larger."""
_BATCH = 3
"""Of waves together, as `probe_waves` makes."""


@dataclass(frozen=True)
class Fidelity:
    """How an exported file compares with the trained model."""

    max_difference: float
    """Of scores, over several lengths, batches and chunkings."""
    timed_s: float
    """Audio that the latencies are about: a window, or a chunk of a stream."""
    p50_ms: float
    """Of one run on one CPU thread."""
    p99_ms: float


def check_utterance(path: Path, model: nn.Module, features: FeaturesConfig) -> Fidelity:
    """Score waves shorter than a window, as long, and longer, alone and together.

    Raises:
        SpoofsweepError: scores differ by more than `TOLERANCE`.
    """
    exported = OnnxModel.open(path)
    window_frames = exported.card.window_frames
    front_end, worst = FrontEnd(features), 0.0
    for num_frames in (1, max(1, window_frames // 3), window_frames, 2 * window_frames + 1):
        wave_BT = probe_waves(_samples_of(num_frames, features), features.sample_rate)
        index_T = torch.arange(max(num_frames, window_frames)) % num_frames
        with torch.inference_mode():
            expected_B = logit_difference(model, front_end(wave_BT)[:, index_T]).numpy()
        for batch in (1, _BATCH):
            (score_B,) = exported.session.run([SCORES], {SAMPLES: wave_BT[:batch].numpy()})
            worst = max(worst, _difference(score_B, expected_B[:batch], path))
    return Fidelity(worst, *astuple(Latency.of(exported)))


def check_stream(path: Path, model: Streamable, features: FeaturesConfig) -> Fidelity:
    """Follow waves in several chunkings, alone and together.

    Raises:
        SpoofsweepError: scores differ by more than `TOLERANCE`.
    """
    exported = OnnxModel.open(path)
    step = exported.card.step_samples
    wave_BT = probe_waves(exported.card.lead_samples + 30 * step, features.sample_rate)
    expected_BS = step_scores(model, features, wave_BT)
    worst = 0.0
    for batch, chunk in ((1, 1), (_BATCH, 6), (_BATCH, 30)):
        score_BS = follow(_run_chunk(exported), exported.card, wave_BT[:batch].numpy(), chunk * step)
        worst = max(worst, _difference(score_BS, expected_BS[:batch], path))
    return Fidelity(worst, *astuple(Latency.of(exported)))


def _run_chunk(exported: OnnxModel) -> RunChunk:
    names = [SCORES, *(NEXT + name for name in exported.card.states)]
    return lambda **inputs: dict(zip(names, exported.session.run(names, inputs), strict=True))


def _difference(found: NDArray[np.float32], expected: NDArray[np.float32], path: Path) -> float:
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
    if not difference <= TOLERANCE:
        raise SpoofsweepError(
            f"an exported detector must score as the trained model does, within {TOLERANCE:g}",
            f"{path.name}: off by {difference:.2g}",
            "report it with the model's model.json, and export a model of another architecture meanwhile",
        )
    return difference


def _samples_of(num_frames: int, features: FeaturesConfig) -> int:
    return features.window_samples + (num_frames - 1) * features.hop_samples
