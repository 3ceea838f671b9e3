"""What the units of a network are worth, on training data.

Legend: B batches, U units, K places of a unit along an axis of a tensor.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from data_prep.shards import ShardSet
from deploy.compress.slicing import Width
from trainable.checkpoints.checkpoint import ModelRecord
from trainable.data.frames import Frames
from trainable.models.losses import WeightedLoss
from trainable.training.trial_data import TrialData

_NUM_BATCHES = 40


def importance(
    model: nn.Module, record: ModelRecord, widths: Sequence[Width], shards: ShardSet, frames: Frames
) -> dict[str, Tensor]:
    """Importance ``[U]`` of the units of each width.

    The squared change of the loss, to first order, when the unit's output is taken away (Molchanov, Mallya, Tyree,
    Frosio and Kautz 2019, "Importance estimation for neural network pruning", eq. 9 for a gate on the output), mean
    over the first batches of the training. A gate's gradient is the sum of gradient times weight over all weights that
    the output is multiplied with. Deviations: networks are in evaluation mode, without dropout; a GRU unit's way
    through its own update gate is not counted.

    Args:
        model: on the frames' device; its gradients are left behind.
        record: of the model.
        frames: of train and dev.
    """
    parameters = dict(model.named_parameters())
    sums = {width.name: torch.zeros(width.size) for width in widths}
    loss, batches = _batches(record, shards, frames)
    model.eval()
    for recurrent in (module for module in model.modules() if isinstance(module, nn.RNNBase)):
        recurrent.train()  # cuDNN computes gradients in training mode alone; there is no dropout inside
    for feat_BTF, label_B in batches:
        model.zero_grad()
        loss(model(feat_BTF), label_B).backward()
        for width in widths:
            sums[width.name] += _gate_gradient(width, parameters).square() / _NUM_BATCHES
    model.eval()
    return sums


def _gate_gradient(width: Width, parameters: dict[str, nn.Parameter]) -> Tensor:
    """Derivative ``[U]`` of the loss by gates on the units' outputs."""
    gradient_U = torch.zeros(width.size)
    for cut in width.consumed:
        weight = parameters[cut.tensor]
        assert weight.grad is not None
        others = [axis for axis in range(weight.ndim) if axis != cut.axis]
        along = (weight.grad * weight.detach()).sum(others).cpu()
        gradient_U += along[torch.from_numpy(cut.places)].sum(dim=1)
    return gradient_U


def _batches(
    record: ModelRecord, shards: ShardSet, frames: Frames
) -> tuple[WeightedLoss, Iterator[tuple[Tensor, Tensor]]]:
    """The loss, and the first batches of features and classes, as the training had them before masks and mixtures."""
    config = record.trial
    data = TrialData(config, shards, record.seed, frames.device, record.held_out, frames)
    batches = (data.batch(number * config.batch.size) for number in range(_NUM_BATCHES))
    loss = WeightedLoss(config.loss, data.bonafide_share).to(frames.device)
    return loss, ((batch.features, batch.labels) for batch in batches)
