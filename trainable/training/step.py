"""One optimiser step: what is computed with a batch, and what it changes.

Legend: B batch, T frames, F feature bins, C classes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from trainable.config import TrialConfig
from trainable.data.mixup import Mixture
from trainable.data.spec_augment import is_active, spec_augment
from trainable.hardware.precision import Precision, algorithms, autocast
from trainable.models.losses import WeightedLoss
from trainable.training.optimizer import AdamW

_INITIAL_SCALE = 2.0**12
"""Of fp16 losses; PyTorch's own, 2^16, overflows with scaled cosines and costs the first steps."""


class Batch(NamedTuple):
    """Everything about a step that changes from one to the next but the learning rate, on the device."""

    features: Tensor
    """``[B, T, F]``, float32."""
    labels: Tensor
    """``[B]``, spoof = 0, bona fide = 1."""
    mixture: Mixture | None


class Step:
    """Steps of one model: forward and backward pass, clipping, update, and sums of what is reported.

    Nothing in `run` waits for a GPU, and what it does depends on no value there, so that it can be captured.

    Args:
        model: on the device, as the optimiser is to change it.
        config: the trial.
        loss: of logits and labels.
        precision: arithmetic of the forward pass.
        hop_s: seconds a frame.
    """

    def __init__(
        self, model: nn.Module, config: TrialConfig, loss: WeightedLoss, precision: Precision, hop_s: float
    ) -> None:
        self.model, self._config, self._loss, self._precision = model, config, loss, precision
        self._hop_s = hop_s
        self.device = next(model.parameters()).device
        self._forward: nn.Module = model
        if config.execution == "compiled":
            # The generator of eager steps, so that dropout drops the same.
            options: dict[str, Any] = {"fallback_random": True, "deterministic": config.deterministic}
            self._forward = torch.compile(model, dynamic=False, options=options)  # type: ignore[assignment]
        self.optimizer = AdamW(model, config.optimizer)
        self.scaler = torch.amp.GradScaler(self.device.type, _INITIAL_SCALE, enabled=precision == "fp16")
        self.micro_size = config.batch.micro_size or config.batch.size
        """Utterances that pass through the network at a time."""
        self.loss_sum, self.norm_sum = torch.zeros(2, device=self.device).unbind()

    def run(self, batch: Batch) -> None:
        """Take one step, and add its loss and its gradient norm before clipping to the sums."""
        self.model.train()
        self.optimizer.zero_grad()
        with algorithms(self.device, self._config.deterministic, tf32=self._precision != "float32"):
            feat_BTF, mixture = batch.features, batch.mixture
            if is_active(self._config.spec_augment):
                feat_BTF = spec_augment(feat_BTF, self._config.spec_augment, self._hop_s)
            other_B = batch.labels
            if mixture is not None:
                feat_BTF, other_B = mixture.features(feat_BTF), batch.labels[mixture.other]
            for first in range(0, len(feat_BTF), self.micro_size):
                part = slice(first, first + self.micro_size)
                self._accumulate(feat_BTF[part], batch.labels[part], other_B[part], mixture, len(feat_BTF), first == 0)
            self.norm_sum += self._update()

    def start_sums(self) -> None:
        """Begin to sum anew."""
        self.loss_sum.zero_()
        self.norm_sum.zero_()

    def means(self, num_steps: int) -> dict[str, float]:
        """What a report says of so many steps; waits for the device."""
        return {
            "train_loss": float(self.loss_sum) / num_steps,
            "learning_rate": self.optimizer.learning_rate,
            "grad_norm": float(self.norm_sum) / num_steps,
        }

    def state_tensors(self) -> dict[str, Tensor]:
        """All that steps change beside the model, by name; not copied."""
        return {"loss_sum": self.loss_sum, "norm_sum": self.norm_sum} | self.optimizer.state_tensors()

    def restore(self, tensors: Mapping[str, Tensor], scaler: dict[str, int | float], micro_size: int) -> None:
        """Go on from `state_tensors`, the scaler's state and the size of parts."""
        self.optimizer.restore(tensors)
        self.scaler.load_state_dict(scaler)
        self.micro_size = micro_size
        self.loss_sum.copy_(tensors["loss_sum"])
        self.norm_sum.copy_(tensors["norm_sum"])

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Steps taken inside leave no trace, but for PyTorch's generators."""
        changing = [*self.model.state_dict().values(), *self.state_tensors().values()]
        before, scaler = [tensor.clone() for tensor in changing], self.scaler.state_dict()
        try:
            yield
        finally:
            self.optimizer.zero_grad()
            with torch.no_grad():
                for tensor, values in zip(changing, before, strict=True):
                    tensor.copy_(values)
            self.scaler.load_state_dict(scaler)
            if self.scaler.is_enabled():
                self.scaler._per_optimizer_states.clear()  # of a step that broke off

    def _accumulate(
        self, feat_BTF: Tensor, label_B: Tensor, other_B: Tensor, mixture: Mixture | None, size: int, is_first: bool
    ) -> None:
        """Add the gradients of a part of a batch of ``size``; the first part also brings the magnitudes' share."""
        with autocast(self._precision, self.device):
            logits_BC = self._forward(feat_BTF).float()
        if mixture is None:
            loss = self._loss(logits_BC, label_B)
        else:
            loss = mixture.loss(self._loss, logits_BC, label_B, other_B)
        if len(feat_BTF) < size:
            loss = loss * (len(feat_BTF) / size)
        self.loss_sum += loss.detach()
        if self._config.optimizer.l1 and is_first:
            loss = loss + self._config.optimizer.l1 * self.optimizer.magnitudes()
        self.scaler.scale(loss).backward()

    def _update(self) -> Tensor:
        """Step the optimiser; returns the gradient norm before clipping (0 where the fp16 scaler skips the step)."""
        self.scaler.unscale_(self.optimizer)  # type: ignore[arg-type]  # reads param_groups alone
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._config.optimizer.clip_norm)
        self.scaler.step(self.optimizer)  # type: ignore[arg-type]
        self.scaler.update()
        return norm.nan_to_num(0.0, 0.0, 0.0) if self.scaler.is_enabled() else norm
