"""A wave followed as a stream through any runtime that holds a detector's stream form.

Legend: B batch, T samples, S steps, C classes.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_prep.features import FrontEnd
from data_prep.features_config import FeaturesConfig
from deploy.detector_card import NEXT, SAMPLES, SCORES, TAIL, DetectorCard
from deploy.zero_states import zero_states
from trainable.models.streamable import Streamable


class RunChunk(Protocol):
    """Inputs of a chunk by name, as arrays, to its outputs."""

    def __call__(self, **values: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]: ...


def follow(run: RunChunk, card: DetectorCard, wave_BT: NDArray[np.float32], chunk: int) -> NDArray[np.float32]:
    """Scores ``[B, S]``, so many samples at a time; those at the end that fill no chunk are left out."""
    lead, states = card.lead_samples, zero_states(card, len(wave_BT))
    states[TAIL][:, states[TAIL].shape[1] - lead :] = wave_BT[:, :lead]
    scores = []
    for first in range(lead, wave_BT.shape[1] - chunk + 1, chunk):
        outputs = run(**{SAMPLES: np.ascontiguousarray(wave_BT[:, first : first + chunk])}, **states)
        scores.append(outputs[SCORES])
        states = {name: outputs[NEXT + name] for name in states}
    return np.concatenate(scores, axis=1)


def step_scores(model: Streamable, features: FeaturesConfig, wave_BT: Tensor) -> NDArray[np.float32]:
    """What the trained model gives whole waves: the scores ``[B, S]`` of all whole steps."""
    with torch.inference_mode():
        logits_BSC = model.step_logits(FrontEnd(features)(wave_BT))
    return (logits_BSC[..., 1] - logits_BSC[..., 0]).numpy()
