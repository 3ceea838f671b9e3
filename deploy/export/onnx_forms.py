"""The forms of a detector, each as one ONNX graph: raw samples in, scores out.

Legend: B batch, T frames, F feature bins, S steps, C classes.
"""

from functools import lru_cache

import onnx
import torch
from onnx import TensorProto, helper, parser
from torch import Tensor, nn

from data_prep.features_config import FeaturesConfig
from deploy.detector_card import CONTEXT, NEXT, SAMPLES, SCORES, TAIL
from deploy.export.onnx_framing import JOINED, WINDOWS, framing_graph, num_before
from deploy.export.onnx_front_end import OnnxFrontEnd
from deploy.export.onnx_trace import HEADER, join, trace, within
from trainable.models.streamable import Streamable
from trainable.scores.scoring import logit_difference

NETWORK = "network/"
"""Before the names of everything in a graph that is the network's, not the front end's."""
_FRAMES = 40
"""Of the example that a graph is traced with."""

_START = f"""{HEADER} start (float[batch, num_samples] {SAMPLES}) => (float[batch, num_joined] {JOINED}) {{
    pads = Constant <value_ints = [0, NUM_BEFORE, 0, 0]> ()
    {JOINED} = Pad ({SAMPLES}, pads)
}}"""
_SCORING_WINDOWS = f"""{HEADER} scoring_windows (
    float[batch, num_frames, num_bins] features, int64[1, 2] {CONTEXT} = {{0, 0}})
    => (float[num_scores, num_scored, num_bins] scoring_windows) {{
    zero = Constant <value_int = 0> ()
    one = Constant <value_int = 1> ()
    all = Constant <value_ints = [-1]> ()
    shortest = Constant <value_int = WINDOW_FRAMES> ()
    left, right = Split <axis = 1, num_outputs = 2> ({CONTEXT})
    num_frames = Shape <start = 1, end = 2> (features)
    num_after = Sub (num_frames, left)
    num_own = Sub (num_after, right)
    longest = ReduceMax <keepdims = 0> (num_own)
    num_scored = Max (longest, shortest)
    place = Range (zero, num_scored, one)
    repeated = Mod (place, num_own)
    index = Add (repeated, left)
    gathered = Gather <axis = 1> (features, index)
    sizes_of_one = Shape <start = 2> (gathered)
    sizes = Concat <axis = 0> (all, sizes_of_one)
    scoring_windows = Reshape (gathered, sizes)
}}"""

_CONTINUATION = f"""{HEADER} continuation (float[batch, num_samples] {SAMPLES}, float[batch, TAIL_SAMPLES] {TAIL})
    => (float[batch, num_joined] {JOINED}, float[batch, TAIL_SAMPLES] {NEXT}{TAIL}) {{
    {JOINED} = Concat <axis = 1> ({TAIL}, {SAMPLES})
    start = Constant <value_ints = [-TAIL_SAMPLES]> ()
    end = Constant <value_ints = [{torch.iinfo(torch.int64).max}]> ()
    time = Constant <value_ints = [1]> ()
    {NEXT}{TAIL} = Slice ({JOINED}, start, end, time)
}}"""


class _Scores(nn.Module):
    """``feat_BTF -> score_B``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, feat_BTF: Tensor) -> Tensor:
        return logit_difference(self.model, feat_BTF)


class _StepScores(nn.Module):
    """Features of whole steps and states to ``score_BS`` and the next states."""

    def __init__(self, model: Streamable) -> None:
        super().__init__()
        self.model = model

    def forward(self, feat_BTF: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        logits_BSC, *following = self.model.stream(feat_BTF, *states)
        return logits_BSC @ torch.tensor([-1.0, 1.0]), *following


def utterance_graph(model: nn.Module, features: FeaturesConfig, window_frames: int) -> onnx.ModelProto:
    """``samples [batch, num_samples] -> scores [batch * num_windows]``: all frames of a wave as one window, or several.

    The optional input ``context_frames`` (int64, ``[num_windows, 2]``) says of each window how many frames lie before
    and behind it; the scores of a wave's windows follow each other. Fewer frames than the longest window has, or than
    ``window_frames``, are repeated up to that.
    """
    network = trace(
        _Scores(model),
        (torch.zeros(3, _FRAMES, features.num_bins),),
        ({0: "batch", 1: "num_scored"},),
        ("scoring_windows",),
        (SCORES,),
    )
    parts = (
        parser.parse_model(_START.replace("NUM_BEFORE", str(num_before(features)))),
        within("front_end/", framing_graph(features)),
        front_end_graph(features),
        parser.parse_model(_SCORING_WINDOWS.replace("WINDOW_FRAMES", str(window_frames))),
        within(NETWORK, network),
    )
    context = helper.make_tensor_value_info(CONTEXT, TensorProto.INT64, ["num_windows", 2])
    scores = helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, ["num_scores"])
    return join("utterance", parts, (_float(SAMPLES, "num_samples"), context), [scores])


def stream_graph(model: Streamable, features: FeaturesConfig) -> onnx.ModelProto:
    """``samples [batch, num_samples]`` and states to ``scores [batch, num_steps]`` and the next states.

    ``num_samples`` is a multiple of ``model.step_frames`` hops. The state ``tail`` is what the next windows need of the
    samples before, and one sample more for pre-emphasis; the others are the model's.
    """
    states = tuple(model.state_shapes)
    examples = tuple(torch.zeros(3, *shape) for shape in model.state_shapes.values())
    network = trace(
        _StepScores(model),
        (torch.zeros(3, _FRAMES * model.step_frames, features.num_bins), *examples),
        ({0: "batch", 1: "num_frames"}, ({0: "batch"},) * len(states)),
        ("features", *states),
        (SCORES, *(NEXT + state for state in states)),
    )
    continuation = _CONTINUATION.replace("TAIL_SAMPLES", str(_tail_samples(features)))
    parts = (
        parser.parse_model(continuation),
        within("front_end/", framing_graph(features, any_length=False)),
        front_end_graph(features),
        within(NETWORK, network),
    )
    shapes = state_shapes(model, features)
    inputs = _float(SAMPLES, "num_samples"), *(_float(name, *shape) for name, shape in shapes.items())
    outputs = _float(SCORES, "num_steps"), *(_float(NEXT + name, *shape) for name, shape in shapes.items())
    return join("stream", parts, inputs, outputs)


def state_shapes(model: Streamable, features: FeaturesConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of all states of the stream form by name, without the batch."""
    return {TAIL: (_tail_samples(features),)} | model.state_shapes


@lru_cache(maxsize=2)  # both forms have it
def front_end_graph(features: FeaturesConfig) -> onnx.ModelProto:
    """``analysis_windows [batch, num_frames, window_samples] -> features [batch, num_frames, num_bins]``."""
    graph = trace(
        OnnxFrontEnd(features),
        (torch.zeros(3, _FRAMES, features.window_samples),),
        ({0: "batch", 1: "num_frames"},),
        (WINDOWS,),
        ("features",),
    )
    return within("front_end/", graph)


def _tail_samples(features: FeaturesConfig) -> int:
    """The overlap of windows, and what the front end takes besides."""
    return features.window_samples - features.hop_samples + num_before(features)


def _float(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
