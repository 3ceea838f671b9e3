"""How long an exported detector takes on this machine."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deploy.detector_card import SAMPLES
from deploy.stream.onnx_model import OnnxModel
from deploy.timing import quantiles_ms
from deploy.zero_states import zero_states

_CHUNK_S = 0.1
"""Of audio that a stream form is given at a time, or the next multiple of its steps."""
_NUM_RUNS = {"stream": 1000, "utterance": 100}


@dataclass(frozen=True)
class Latency:
    """Of a chunk of a stream, or of one scoring window, on one thread."""

    audio_s: float
    """Length of the chunk or window."""
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, model: OnnxModel) -> "Latency":
        """Measured with noise for audio; what else the machine does is in it."""
        card = model.card
        inputs = _example(model)
        quantiles = quantiles_ms(lambda: model.session.run(None, inputs), _NUM_RUNS[card.form])
        return cls(inputs[SAMPLES].shape[1] / card.sample_rate, *quantiles)


def _example(model: OnnxModel) -> dict[str, Any]:
    card = model.card
    if card.form == "stream":
        num_samples = card.step_samples * max(1, round(_CHUNK_S * card.sample_rate / card.step_samples))
    else:
        num_samples = card.window_samples + (card.window_frames - 1) * card.hop_samples
    noise_BT = np.random.default_rng(0).normal(0.0, 0.1, (1, num_samples)).astype(np.float32)
    return {SAMPLES: noise_BT, **zero_states(card)}
