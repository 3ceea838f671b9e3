"""How large and how slow a configuration's model will be, known before it is trained."""

import json

import torch

from data_prep.features_config import FeaturesConfig
from trainable.config import TrialConfig
from trainable.models import build_model
from trainable.models.losses import head_of
from trainable.scores.scoring import frames_in
from trainable.sizing.latency import latency_ms


class ModelSizes:
    """Sizes of freshly initialised models on one kind of features; equal networks are measured once.

    Args:
        features: kind, bins and frame rate.
    """

    def __init__(self, features: FeaturesConfig) -> None:
        self._features = features
        self._num_parameters: dict[str, int] = {}
        self._latency_ms: dict[str, float] = {}

    def num_parameters(self, trial: TrialConfig) -> int:
        """Trainable numbers of the model."""
        network = _network(trial)
        if network not in self._num_parameters:
            with torch.device("meta"):
                model = build_model(trial.model, self._features.num_bins, head=head_of(trial.loss))
            self._num_parameters[network] = sum(parameter.numel() for parameter in model.parameters())
        return self._num_parameters[network]

    def latency_ms(self, trial: TrialConfig, enough_ms: float) -> float:
        """What `trainable.sizing.latency` measures here of a scoring window, at the first time.

        What else the machine does can only add to it: it is measured up to three times, and the lowest counts.

        Args:
            enough_ms: a lower one is believed at once.
        """
        network = _network(trial)
        if network not in self._latency_ms:
            with torch.random.fork_rng(devices=[]):
                model = build_model(trial.model, self._features.num_bins, head=head_of(trial.loss))
            num_frames = frames_in(trial.validation.window_s, self._features)
            measured = [latency_ms(model, num_frames, self._features.num_bins)]
            while len(measured) < 3 and min(measured) > enough_ms:
                measured.append(latency_ms(model, num_frames, self._features.num_bins))
            self._latency_ms[network] = min(measured)
        return self._latency_ms[network]


def _network(trial: TrialConfig) -> str:
    shape = [trial.model.model_dump(mode="json"), head_of(trial.loss), trial.validation.window_s]
    return json.dumps(shape)
