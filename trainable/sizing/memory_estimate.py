"""How much memory a trial's training would take, estimated on the CPU without training: for comparing configurations.

Only comparisons are meant. Kernels, their workspaces and mixed precision differ between devices; what a GPU really
needs is measured there (see `trainable.sizing.memory_measure`).

Legend: B batch, T frames, F feature bins.
"""

import json

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from data_prep.features_config import FeaturesConfig
from trainable.config import TrialConfig
from trainable.models import build_model
from trainable.models.losses import head_of
from trainable.scores.scoring import frames_in

_PROBE_BATCH = 2  # batch normalisation takes no single utterance


class MemoryEstimate:
    """Bytes that trials on one kind of features take while they train; equal networks are tried out once.

    Args:
        features: kind, bins and frame rate.
    """

    def __init__(self, features: FeaturesConfig) -> None:
        self._features = features
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, trial: TrialConfig) -> int:
        """Activations that wait for the backward pass, of all utterances that pass at a time, and the model's state.

        The state is weights, gradients, AdamW's two moments, and an average of the weights where one is asked for.
        """
        network = self._network(trial)
        if network not in self._known:
            self._known[network] = self._try_out(trial)
        activation_bytes, weight_bytes = self._known[network]
        num_copies = 4 + (trial.averaging.kind != "none")
        at_a_time = min(trial.batch.size, trial.batch.micro_size or trial.batch.size)
        return activation_bytes * at_a_time + num_copies * weight_bytes

    def _network(self, trial: TrialConfig) -> str:
        shape = [trial.model.model_dump(mode="json"), head_of(trial.loss), trial.batch.crop_s]
        return json.dumps(shape)

    def _try_out(self, trial: TrialConfig) -> tuple[int, int]:
        """Bytes of activations an utterance, and of weights."""
        num_bins = self._features.num_bins
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = build_model(trial.model, num_bins, head=head_of(trial.loss)).train()
            feat_BTF = torch.randn(_PROBE_BATCH, frames_in(trial.batch.crop_s, self._features), num_bins)
            activation_bytes = saved_bytes(model, feat_BTF) // _PROBE_BATCH
        return activation_bytes, sum(p.numel() * p.element_size() for p in model.parameters())


def saved_bytes(model: nn.Module, feat_BTF: Tensor) -> int:
    """Bytes that a forward pass keeps for the backward pass, each storage counted once, the weights' own not at all."""
    saved: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(feat_BTF)
    # The output holds the graph, and with it all that was kept: no address has been used twice.
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    assert output.requires_grad
    return sum(num_bytes for address, num_bytes in saved.items() if address not in weights)
