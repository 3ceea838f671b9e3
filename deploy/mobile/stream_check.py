"""Holds a converted file against the model that it came from, stream against whole wave, and times it.

Legend: B batch, T samples, S steps.
"""

import numpy as np

from data_prep.features_config import FeaturesConfig
from deploy.chunk_by_chunk import RunChunk, follow, step_scores
from deploy.detector_card import SAMPLES, DetectorCard
from deploy.probe_waves import probe_waves
from deploy.timing import quantiles_ms
from deploy.zero_states import zero_states
from trainable.models.streamable import Streamable

_NUM_CHUNKS = 40
_NUM_RUNS = 300


def check(run: RunChunk, card: DetectorCard, model: Streamable, features: FeaturesConfig) -> dict[str, float]:
    """The fields of `deploy.export.export_check.Fidelity`: the largest difference of scores, and what a chunk takes."""
    chunk = card.chunk_samples
    wave_BT = probe_waves(card.lead_samples + _NUM_CHUNKS * chunk, features.sample_rate)
    expected_BS = step_scores(model, features, wave_BT)
    found_BS = np.concatenate([follow(run, card, wave_1T, chunk) for wave_1T in wave_BT[:, None].numpy()])
    inputs = {SAMPLES: wave_BT[:1, :chunk].numpy()} | zero_states(card)
    p50_ms, p99_ms = quantiles_ms(lambda: run(**inputs), _NUM_RUNS)
    return {
        "max_difference": float(np.abs(found_BS - expected_BS).max()),
        "timed_s": chunk / card.sample_rate,
        "p50_ms": p50_ms,
        "p99_ms": p99_ms,
    }
