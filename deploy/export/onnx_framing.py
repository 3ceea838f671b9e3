"""Samples to analysis windows, in ONNX's text syntax: traced by PyTorch it would take thrice the operators."""

import math

import onnx
from onnx import parser

from data_prep.features_config import FeaturesConfig
from deploy.export.onnx_trace import HEADER

JOINED = "joined_samples"
WINDOWS = "analysis_windows"
_MOST_PARTS = 16
"""Of a window that is put together from stretches, which costs less than to look up every sample."""
_END = 2**63 - 1


def num_before(config: FeaturesConfig) -> int:
    """Samples before the first window that framing takes: one for pre-emphasis, or where windows do not overlap, so
    that there is something to hand on between the parts of a stream."""
    return int(config.pre_emphasis > 0 or config.window_samples <= config.hop_samples)


def framing_graph(config: FeaturesConfig, any_length: bool = True) -> onnx.ModelProto:
    """``joined_samples [batch, num_before + num_samples] -> analysis_windows [batch, num_frames, window_samples]``.

    Windows are as `data_prep.features.FrontEnd` takes them, after pre-emphasis; the sample before the first is 0 at the
    start of a wave.

    Args:
        any_length: of a wave; else it ends with a window.
    """
    window, hop = config.window_samples, config.hop_samples
    stretch = math.gcd(window, hop)
    framing = (
        _looked_up(window, hop) if window // stretch > _MOST_PARTS else _stretches(window, hop, stretch, any_length)
    )
    return parser.parse_model(
        f"""{HEADER} framing (float[batch, num_joined] {JOINED})
        => (float[batch, num_frames, {window}] {WINDOWS}) {{
        first = Constant <value_ints = [0]> ()
        second = Constant <value_ints = [1]> ()
        last = Constant <value_ints = [-1]> ()
        end = Constant <value_ints = [{_END}]> ()
        along = Constant <value_ints = [1]> ()
        {_emphasised(config)}
        {framing}
    }}"""
    )


def _emphasised(config: FeaturesConfig) -> str:
    if not config.pre_emphasis:
        return f"wave = Slice ({JOINED}, {'second' if num_before(config) else 'first'}, end, along)"
    return f"""share = Constant <value_float = {config.pre_emphasis!r}> ()
        own = Slice ({JOINED}, second, end, along)
        before = Slice ({JOINED}, first, last, along)
        weaker = Mul (before, share)
        wave = Sub (own, weaker)"""


def _stretches(window: int, hop: int, stretch: int, any_length: bool) -> str:
    """Windows as neighbouring stretches, whose length divides window and hop."""
    parts, stride = window // stretch, hop // stretch
    lines = []
    if any_length:
        lines.append(
            f"""size = Shape <start = 1, end = 2> (wave)
        length = Constant <value_ints = [{stretch}]> ()
        rest = Mod (size, length)
        whole = Sub (size, rest)
        cut = Slice (wave, first, whole, along)"""
        )
    lines.append(
        f"""rows = Constant <value_ints = [0, -1, {stretch}]> ()
        stretches = Reshape ({"cut" if any_length else "wave"}, rows)
        stride = Constant <value_ints = [{stride}]> ()"""
    )
    for part in range(parts):
        lines.append(
            f"""from_{part} = Constant <value_ints = [{part}]> ()
        to_{part} = Constant <value_ints = [{part + 1 - parts or _END}]> ()
        part_{part} = Slice (stretches, from_{part}, to_{part}, along, stride)"""
        )
    lines.append(f"{WINDOWS} = Concat <axis = 2> ({', '.join(f'part_{part}' for part in range(parts))})")
    return "\n".join(lines)


def _looked_up(window: int, hop: int) -> str:
    """Windows by the number of every sample."""
    return f"""zero = Constant <value_int = 0> ()
        hop = Constant <value_int = {hop}> ()
        step = Constant <value_int = 1> ()
        window = Constant <value_int = {window}> ()
        size_1 = Shape <start = 1, end = 2> (wave)
        size = Squeeze (size_1, first)
        fits = Sub (size, window)
        behind = Add (fits, step)
        start = Range (zero, behind, hop)
        start_1 = Unsqueeze (start, second)
        offset = Range (zero, window, step)
        place = Add (start_1, offset)
        {WINDOWS} = Gather <axis = 1> (wave, place)"""
