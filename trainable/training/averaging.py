"""Averages of the weights along the way, to score with and to keep instead of the last ones.

An average follows the steps, counted in samples as everything is, so that its length does not hang on the batch size.
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainable.config import AveragingConfig

_PREFIX = "last."
_COUNT = "num_averaged"


class WeightAverage:
    """Follows ``model`` step by step; running statistics of normalisations are averaged as the weights are.

    ``ema``: exponential moving average of the weights from the first step on. ``swa``: their equal mean over all steps
    since a share of the budget (Izmailov et al. 2018; deviation: every step rather than every pass, and averaged
    statistics instead of a further pass that measures them).

    Args:
        half_life_steps: of ``ema``.
    """

    def __init__(self, model: nn.Module, config: AveragingConfig, half_life_steps: float) -> None:
        self._model, self._config = model, config
        self._ema_share = 1.0 - 0.5 ** (1.0 / half_life_steps)
        self._averaged, self._num_averaged = copy.deepcopy(model), 0
        for module in self._averaged.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # a copy is in pieces, and cuDNN would gather them for every batch
        pairs = list(zip(self._averaged.state_dict().values(), model.state_dict().values(), strict=True))
        self._means = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    @property
    def model(self) -> nn.Module:
        """The average, or before it begins the model itself."""
        return self._averaged if self._num_averaged else self._model

    @torch.no_grad()
    def step(self, progress: float) -> None:
        """Take the weights as they are after a step into the average; ``progress`` is the share of the budget.

        Nothing here waits for a GPU, which PyTorch's own `AveragedModel` does.
        """
        if self._config.kind == "swa" and progress < self._config.swa_start:
            return
        # An equal mean is a moving average, too, of a share that shrinks; of either the first share is all.
        share = self._ema_share if self._config.kind == "ema" and self._num_averaged else 1 / (self._num_averaged + 1)
        averages, values = map(list, zip(*self._means, strict=True))
        torch._foreach_lerp_(averages, values, share)
        for average, value in self._counts:
            average.copy_(value)
        self._num_averaged += 1

    def state_tensors(self) -> dict[str, Tensor]:
        """What resuming needs besides the average, which is saved as the model: the last weights."""
        last = {f"{_PREFIX}{name}": tensor for name, tensor in self._model.state_dict().items()}
        return last | {_COUNT: torch.tensor(self._num_averaged)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state_tensors` gave, the saved model being loaded already."""
        self._averaged.load_state_dict(self._model.state_dict())
        self._model.load_state_dict({name: tensors[f"{_PREFIX}{name}"] for name in self._model.state_dict()})
        self._num_averaged = int(tensors[_COUNT])
