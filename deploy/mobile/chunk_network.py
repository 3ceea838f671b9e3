"""A chunk of a stream as one network of fixed sizes, from samples to scores: what is converted for phones.

Legend: T samples, F frames, W window samples, S steps, C classes; the batch is one stream.
"""

import copy

import torch
from torch import Tensor, nn

from data_prep.features_config import FeaturesConfig
from deploy.detector_card import NEXT, SCORES, TAIL, DetectorCard
from deploy.mobile.front_end import matrix_front_end
from trainable.models.streamable import Streamable


class ChunkNetwork(nn.Module):
    """``samples [1, chunk_samples]`` and the card's states to ``scores [1, S]`` and ``next_NAME`` of every state.

    The stream form of `deploy.export.onnx_forms` at one length. Inputs and outputs have names, for the converted file;
    states come out in the card's order, whatever the model's.
    """

    def __init__(self, model: Streamable, features: FeaturesConfig, card: DetectorCard) -> None:
        super().__init__()
        self.model, self.front_end = copy.deepcopy(model), matrix_front_end(features)
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.data = tensor.data.contiguous()  # ExecuTorch takes no constants of another memory order
        self._features, self._states = features, tuple(card.states)
        # One sample for pre-emphasis, or to have a state at all where windows do not overlap.
        self._num_before = card.states[TAIL][0] - card.lead_samples

    def forward(self, samples: Tensor, **states: Tensor) -> dict[str, Tensor]:
        joined_T = torch.cat((states[TAIL], samples), dim=1)[0]
        frames_FW = self._emphasised(joined_T).unfold(0, self._features.window_samples, self._features.hop_samples)
        feat_1FN = self.front_end(frames_FW)[None]
        names = self.model.state_shapes
        logits_1SC, *following = self.model.stream(feat_1FN, *(states[name] for name in names))
        after = dict(zip(names, following, strict=True)) | {TAIL: joined_T[None, -states[TAIL].shape[1] :]}
        scores_1S = logits_1SC[..., 1] - logits_1SC[..., 0]
        return {SCORES: scores_1S} | {NEXT + name: after[name] for name in self._states}

    def _emphasised(self, joined_T: Tensor) -> Tensor:
        share = self._features.pre_emphasis
        return joined_T[1:] - share * joined_T[:-1] if share else joined_T[self._num_before :]
