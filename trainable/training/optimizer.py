"""AdamW (Loshchilov and Hutter 2019) over a model's named parameters."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from trainable.config import OptimizerConfig

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_PREFIX = "optimizer."


class AdamW:
    """PyTorch's fused AdamW step, decaying matrices and kernels but not biases and normalisation.

    Not a `torch.optim.Optimizer`: making one imports PyTorch's compiler, 6 s of processor time in every worker that
    compiles nothing. The `param_groups` and what follows are what a `GradScaler` needs; it says on the GPU, without
    waiting for it, whether a step is to be skipped.
    """

    _step_supports_amp_scaling = True
    grad_scale: Tensor | None = None
    found_inf: Tensor | None = None

    def __init__(self, model: nn.Module, config: OptimizerConfig) -> None:
        self._parameters = dict(model.named_parameters())
        decayed = [name for name, parameter in self._parameters.items() if parameter.dim() > 1]
        spared = [name for name, parameter in self._parameters.items() if parameter.dim() <= 1]
        self._names = [(decayed, config.weight_decay), (spared, 0.0)]
        self.param_groups: list[dict[str, Any]] = [
            {"params": [self._parameters[name] for name in names], "weight_decay": decay}
            for names, decay in self._names
        ]
        device = next(iter(self._parameters.values())).device
        # A captured step has to read its rate from a place on the GPU.
        self._rate = torch.zeros((), device=device) if device.type == "cuda" else None
        self.learning_rate = config.learning_rate
        # Moments keep the memory layout of their parameters, as the fused step wants it.
        self._mean = {name: torch.zeros_like(p, requires_grad=False) for name, p in self._parameters.items()}
        self._square = {name: torch.zeros_like(p, requires_grad=False) for name, p in self._parameters.items()}
        self._step = {name: torch.zeros((), device=p.device) for name, p in self._parameters.items()}

    @property
    def learning_rate(self) -> float:
        """Rate of the next step."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._learning_rate = rate
        if self._rate is not None:
            self._rate.fill_(rate)

    def magnitudes(self) -> Tensor:
        """Sum of the magnitudes of the weights that decay."""
        names, _ = self._names[0]
        return torch.stack([self._parameters[name].abs().sum() for name in names]).sum()

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter from its gradient, at ``learning_rate``."""
        for names, decay in self._names:
            adamw(
                [self._parameters[name] for name in names],
                [self._gradient(name) for name in names],
                [self._mean[name] for name in names],
                [self._square[name] for name in names],
                [],
                [self._step[name] for name in names],
                fused=True,
                grad_scale=self.grad_scale,
                found_inf=self.found_inf,
                amsgrad=False,
                beta1=_BETA1,
                beta2=_BETA2,
                lr=self._learning_rate if self._rate is None else self._rate,
                weight_decay=decay,
                eps=_EPSILON,
                maximize=False,
            )

    def state_tensors(self) -> dict[str, Tensor]:
        """Moments and step counts by name; the tensors themselves, not copies."""
        kinds = {"mean": self._mean, "square": self._square, "step": self._step}
        return {f"{_PREFIX}{kind}.{name}": values[name] for kind, values in kinds.items() for name in values}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state_tensors` gave; other names in ``tensors`` are passed over."""
        for name, value in self.state_tensors().items():
            value.copy_(tensors[name])

    def _gradient(self, name: str) -> Tensor:
        gradient = self._parameters[name].grad
        assert gradient is not None, f"no gradient reached {name}"
        return gradient
