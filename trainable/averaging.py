"""Averages of the weights along the way, to score with and to keep instead of the last ones.

An average follows the steps, counted in samples as everything is, so that its length does not hang on the batch size.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

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
        self._decay = 0.5 ** (1.0 / half_life_steps)
        self._averaged = AveragedModel(model, use_buffers=True)

    @property
    def model(self) -> nn.Module:
        """The average, or before it begins the model itself."""
        return self._averaged.module if self._num_averaged else self._model

    @property
    def _num_averaged(self) -> int:
        return int(self._averaged.n_averaged)  # on the CPU wherever the model is

    def step(self, progress: float) -> None:
        """Take the weights as they are after a step into the average; ``progress`` is the share of the budget."""
        if self._config.kind == "swa" and progress < self._config.swa_start:
            return
        # An equal mean is a moving average, too, of a share that shrinks; PyTorch's own cannot take whole numbers.
        decay = self._decay if self._config.kind == "ema" else self._num_averaged / (self._num_averaged + 1)
        self._averaged.multi_avg_fn = get_ema_multi_avg_fn(decay)
        self._averaged.update_parameters(self._model)

    def state_tensors(self) -> dict[str, Tensor]:
        """What resuming needs besides the average, which is saved as the model: the last weights."""
        last = {f"{_PREFIX}{name}": tensor for name, tensor in self._model.state_dict().items()}
        return last | {_COUNT: self._averaged.n_averaged}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state_tensors` gave, the saved model being loaded already."""
        self._averaged.module.load_state_dict(self._model.state_dict())
        self._model.load_state_dict({name: tensors[f"{_PREFIX}{name}"] for name in self._model.state_dict()})
        self._averaged.n_averaged.fill_(int(tensors[_COUNT]))
