"""Holds a converted file against the model that it came from, stream against whole wave, and times it.

Legend: B batch, T samples, S steps, C classes.
"""

import time
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from data_prep.features import FrontEnd
from data_prep.features_config import FeaturesConfig
from deploy.detector_card import DetectorCard
from deploy.mobile.chunk_network import NEXT, SAMPLES, SCORES, TAIL, zero_states
from deploy.probe_waves import probe_waves
from trainable.models.streamable import Streamable

_NUM_CHUNKS = 40
_NUM_WARM_UP, _NUM_REPEATS = 20, 300


class RunChunk(Protocol):
    """Inputs of a chunk by name, as arrays, to its outputs."""

    def __call__(self, **values: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]: ...


def check(run: RunChunk, card: DetectorCard, model: Streamable, features: FeaturesConfig) -> dict[str, float]:
    """The fields of `deploy.export.export_check.Fidelity`: the largest difference of scores, and what a chunk takes."""
    wave_BT = probe_waves(card.lead_samples + _NUM_CHUNKS * card.chunk_samples, features.sample_rate)
    with torch.inference_mode():
        logits_BSC = model.step_logits(FrontEnd(features)(wave_BT))
    expected_BS = (logits_BSC[..., 1] - logits_BSC[..., 0]).numpy()
    found_BS = np.concatenate([follow(run, card, wave_1T) for wave_1T in wave_BT[:, None].numpy()])
    p50_s, p99_s = np.percentile(_times_s(run, card), (50, 99))
    return {
        "max_difference": float(np.abs(found_BS - expected_BS).max()),
        "timed_s": card.chunk_samples / card.sample_rate,
        "p50_ms": 1000 * float(p50_s),
        "p99_ms": 1000 * float(p99_s),
    }


def follow(run: RunChunk, card: DetectorCard, wave_1T: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores ``[1, S]`` of a wave as a stream, chunk by chunk; samples at its end that fill no chunk are left out."""
    states = {name: state.numpy() for name, state in zero_states(card).items()}
    lead, chunk = card.lead_samples, card.chunk_samples
    states[TAIL][:, states[TAIL].shape[1] - lead :] = wave_1T[:, :lead]
    scores = []
    for first in range(lead, wave_1T.shape[1] - chunk + 1, chunk):
        outputs = run(**{SAMPLES: np.ascontiguousarray(wave_1T[:, first : first + chunk])}, **states)
        scores.append(outputs[SCORES])
        states = {name: outputs[NEXT + name] for name in states}
    return np.concatenate(scores, axis=1)


def _times_s(run: RunChunk, card: DetectorCard) -> list[float]:
    """Of single chunks, in the manner of a stream."""
    inputs = {name: state.numpy() for name, state in zero_states(card).items()}
    inputs[SAMPLES] = probe_waves(card.chunk_samples, card.sample_rate)[:1].numpy()
    times_s = []
    for _ in range(_NUM_WARM_UP + _NUM_REPEATS):
        start_s = time.perf_counter()
        run(**inputs)
        times_s.append(time.perf_counter() - start_s)
    return times_s[_NUM_WARM_UP:]
