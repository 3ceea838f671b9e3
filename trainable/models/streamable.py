"""What a model that can follow a stream offers beside its forward pass.

Legend: B batch, T frames, F feature bins, S steps, C classes (spoof = 0, bona fide = 1).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from trainable.models.global_cmvn import GlobalCmvn


class Streamable(nn.Module, ABC):
    """``feat_BTF -> logits_BC``, the mean of the logits of all steps, each of which knows the past alone.

    A step is ``step_frames`` frames. What a stream has to remember are states, zeros in the beginning; whether an
    utterance comes whole or in parts of whole steps makes no difference. ``isinstance`` tells who can stream.
    """

    step_frames: int
    """Frames of a step: the product of all time strides."""
    state_shapes: dict[str, tuple[int, ...]]
    """Shapes of the states by name, without the batch, in the order in which `stream` takes and gives them."""

    @abstractmethod
    def follow(self, feat_BTF: Tensor, states: Sequence[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        """Logits ``[B, S, C]`` of all steps, and the states behind them.

        Args:
            feat_BTF: whole steps.
            states: none in the beginning.
        """

    def stream(self, feat_BTF: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Logits ``[B, S, C]`` of the next frames, a multiple of ``step_frames`` of them, and the next states."""
        logits_BSC, following = self.follow(feat_BTF, states)
        return logits_BSC, *following

    def step_logits(self, feat_BTF: Tensor) -> Tensor:
        """Logits ``[B, S, C]`` of a whole utterance.

        Frames at its end that fill no step are left out; one that is shorter than a step is repeated to fill it.
        """
        num_frames = feat_BTF.shape[1]
        if num_frames < self.step_frames:
            feat_BTF = feat_BTF.repeat(1, self.step_frames, 1)
            num_frames = self.step_frames
        return self.follow(feat_BTF[:, : num_frames // self.step_frames * self.step_frames], None)[0]

    def forward(self, feat_BTF: Tensor) -> Tensor:
        return self.step_logits(feat_BTF).mean(dim=1)


class NormalisedStreamable(Streamable):
    """A streamable network behind a fixed normalisation, which looks at each frame by itself."""

    def __init__(self, cmvn: GlobalCmvn, network: Streamable) -> None:
        super().__init__()
        self.cmvn, self.network = cmvn, network
        self.step_frames, self.state_shapes = network.step_frames, network.state_shapes

    def follow(self, feat_BTF: Tensor, states: Sequence[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        return self.network.follow(self.cmvn(feat_BTF), states)
