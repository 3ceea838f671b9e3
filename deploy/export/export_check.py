"""Holds an exported file against the trained model, and times it.

Legend: B batch, T samples or frames, F feature bins, S steps, C classes.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cluster.errors import SpoofsweepError
from data_prep.features import FrontEnd
from data_prep.features_config import FeaturesConfig
from deploy.export.onnx_forms import NEXT, SAMPLES, SCORES, TAIL
from deploy.probe_waves import probe_waves
from deploy.stream.onnx_model import OnnxModel
from trainable.models.streamable import Streamable
from trainable.scoring import logit_difference

TOLERANCE = 1e-3
"""Of scores. What is measured is 1e-6 and less; but a score may hang on which of two nearly equal values is larger."""
_BATCH = 3
"""Of waves together, as `probe_waves` makes."""
_CHUNK_S = 0.1
_NUM_WARM_UP, _NUM_REPEATS = 5, 50


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
    num_samples = _samples_of(window_frames, features)
    p50_ms, p99_ms = _latency_ms(exported, {SAMPLES: probe_waves(num_samples, features.sample_rate)[:1].numpy()})
    return Fidelity(worst, num_samples / features.sample_rate, p50_ms, p99_ms)


def check_stream(path: Path, model: Streamable, features: FeaturesConfig) -> Fidelity:
    """Follow waves in several chunkings, alone and together.

    Raises:
        SpoofsweepError: scores differ by more than `TOLERANCE`.
    """
    exported = OnnxModel.open(path)
    step = exported.card.step_samples
    wave_BT = probe_waves(exported.card.lead_samples + 30 * step, features.sample_rate)
    with torch.inference_mode():
        logits_BSC = model.step_logits(FrontEnd(features)(wave_BT))
    expected_BS = (logits_BSC[..., 1] - logits_BSC[..., 0]).numpy()
    worst = 0.0
    for batch, chunk in ((1, 1), (_BATCH, 7), (_BATCH, 30)):
        score_BS = _follow(exported, wave_BT[:batch].numpy(), chunk * step)
        worst = max(worst, _difference(score_BS, expected_BS[:batch], path))
    num_samples = max(1, round(_CHUNK_S * features.sample_rate / step)) * step
    inputs = {SAMPLES: wave_BT[:1, :num_samples].numpy()} | _zero_states(exported, 1)
    return Fidelity(worst, num_samples / features.sample_rate, *_latency_ms(exported, inputs))


def _follow(exported: OnnxModel, wave_BT: NDArray[np.float32], chunk: int) -> NDArray[np.float32]:
    lead, states = exported.card.lead_samples, _zero_states(exported, len(wave_BT))
    states[TAIL][:, states[TAIL].shape[1] - lead :] = wave_BT[:, :lead]
    names = [SCORES, *(NEXT + name for name in states)]
    scores = []
    for first in range(lead, wave_BT.shape[1], chunk):
        score_BS, *following = exported.session.run(names, {SAMPLES: wave_BT[:, first : first + chunk]} | states)
        scores.append(score_BS)
        states = dict(zip(states, following, strict=True))
    return np.concatenate(scores, axis=1)


def _zero_states(exported: OnnxModel, batch: int) -> dict[str, NDArray[np.float32]]:
    return {name: np.zeros((batch, *shape), np.float32) for name, shape in exported.card.states.items()}


def _difference(found: NDArray[np.float32], expected: NDArray[np.float32], path: Path) -> float:
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
    if not difference <= TOLERANCE:
        raise SpoofsweepError(
            f"an exported detector must score as the trained model does, within {TOLERANCE:g}",
            f"{path.name}: off by {difference:.2g}",
            "report it with the model's model.json, and export a model of another architecture meanwhile",
        )
    return difference


def _latency_ms(exported: OnnxModel, inputs: dict[str, NDArray[np.float32]]) -> tuple[float, float]:
    """Median and 99th percentile."""
    times_s = []
    for _ in range(_NUM_WARM_UP + _NUM_REPEATS):
        start_s = time.perf_counter()
        exported.session.run(None, inputs)
        times_s.append(time.perf_counter() - start_s)
    p50_s, p99_s = np.percentile(times_s[_NUM_WARM_UP:], (50, 99))
    return 1000 * float(p50_s), 1000 * float(p99_s)


def _samples_of(num_frames: int, features: FeaturesConfig) -> int:
    return features.window_samples + (num_frames - 1) * features.hop_samples
