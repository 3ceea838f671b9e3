"""Small ONNX files of an exported detector's two forms, whose right answers a few lines of numpy give."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from deploy.detector_card import METADATA_KEY, DetectorCard

WINDOW, HOP, STEP = 320, 160, 640
LEAD = WINDOW - HOP
DECAY = 0.9

STREAM_CARD = DetectorCard(
    form="stream",
    sample_rate=16000,
    window_samples=WINDOW,
    hop_samples=HOP,
    window_frames=100,
    coverage="full",
    threshold=0.0,
    step_samples=STEP,
    lead_samples=LEAD,
    states={"tail": [LEAD + 1], "filter": [1]},
    calibration=(2.0, -0.5),
    name="small",
    version="3",
)
UTTERANCE_CARD = replace(STREAM_CARD, form="utterance", step_samples=0, lead_samples=0, states={}, context_frames=2)


def stream_scores(wave_T: np.ndarray) -> np.ndarray:
    """What the stream form must answer: steps' mean samples, past a running filter, plus the tail's last sample."""
    num_steps = max(0, (len(wave_T) - LEAD) // STEP)
    whole_T = np.asarray(wave_T, np.float32)[: LEAD + num_steps * STEP]
    means_S = whole_T[LEAD:].reshape(num_steps, STEP).mean(axis=1, dtype=np.float64)
    scores_S, state = [], 0.0
    for step, mean in enumerate(means_S):
        state = DECAY * state + mean
        before = whole_T[LEAD + step * STEP - 1] if LEAD + step * STEP else 0.0
        scores_S.append(state + 0.01 * before + 0.01 * whole_T[step * STEP])
    return np.array(scores_S)


def window_score(wave_T: np.ndarray, start: int, num_frames: int, width: int = UTTERANCE_CARD.window_frames) -> float:
    """What the utterance form must answer: the mean of the frames' means after each is reduced by its neighbour's two
    to either side, where the file has them; a short file's frames are repeated."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(wave_T, np.float32), dtype=np.float64)])
    means_F = np.array([(sums[f * HOP + WINDOW] - sums[f * HOP]) / WINDOW for f in range(num_frames)])
    padded_F = np.pad(means_F, 2, mode="edge")
    values_F = means_F - padded_F[:-4] - padded_F[4:]
    frames = (start + np.arange(width)) % num_frames
    return float(values_F[frames].mean())


def write_stream_file(path: Path, card: DetectorCard = STREAM_CARD) -> Path:
    """A step's score is a state ``filter`` plus parts of the oldest and the newest sample before it."""
    init = {
        "row": np.array([1, -1, STEP], np.int64),
        "last": np.array([2], np.int64),
        "oldest": np.array([1], np.int64),
        "newest": np.array([LEAD], np.int64),
        "one": np.array([1], np.int64),
        "end": np.array([np.iinfo(np.int64).max], np.int64),
        "minus_tail": np.array([-(LEAD + 1)], np.int64),
        "time": np.array([1], np.int64),
        "decay": np.array(DECAY, np.float32),
        "share": np.array(0.01, np.float32),
        "flat": np.array([1, -1], np.int64),
        "column": np.array([-1, 1], np.int64),
    }
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["state_in", "decay"], ["faded"]),
            helper.make_node("Add", ["faded", "mean"], ["state_out"]),
            helper.make_node("Identity", ["state_out"], ["value"]),
        ],
        "recursion",
        [_value("state_in", [1]), _value("mean", [1])],
        [_value("state_out", [1]), _value("value", [1])],
    )
    nodes = [
        helper.make_node("Concat", ["tail", "samples"], ["whole"], axis=1),
        helper.make_node("Slice", ["whole", "minus_tail", "end", "time"], ["next_tail"]),
        helper.make_node("Reshape", ["samples", "row"], ["steps"]),
        helper.make_node("ReduceMean", ["steps", "last"], ["step_means"], keepdims=0),
        helper.make_node("Reshape", ["step_means", "column"], ["means"]),
        helper.make_node("Reshape", ["filter", "flat_one"], ["filter_in"]),
        helper.make_node("Scan", ["filter_in", "means"], ["filter_out", "filtered"], num_scan_inputs=1, body=body),
        helper.make_node("Reshape", ["filter_out", "flat"], ["next_filter"]),
        helper.make_node("Slice", ["whole", "oldest", "end", "time", "step"], ["oldest_seen"]),
        helper.make_node("Slice", ["whole", "newest", "end", "time", "step"], ["newest_seen"]),
        helper.make_node("Reshape", ["filtered", "flat"], ["values"]),
        helper.make_node("Shape", ["values"], ["num_steps"], start=1),
        helper.make_node("Slice", ["oldest_seen", "zero", "num_steps", "time"], ["oldest_used"]),
        helper.make_node("Slice", ["newest_seen", "zero", "num_steps", "time"], ["newest_used"]),
        helper.make_node("Add", ["oldest_used", "newest_used"], ["both"]),
        helper.make_node("Mul", ["both", "share"], ["edges"]),
        helper.make_node("Add", ["values", "edges"], ["scores"]),
    ]
    init |= {
        "flat_one": np.array([1], np.int64),
        "step": np.array([STEP], np.int64),
        "zero": np.array([0], np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "stream",
        [_value("samples", [1, "num_samples"]), _value("tail", [1, LEAD + 1]), _value("filter", [1, 1])],
        [_value("scores", [1, "num_steps"]), _value("next_tail", [1, LEAD + 1]), _value("next_filter", [1, 1])],
        [onnx.numpy_helper.from_array(value, name) for name, value in init.items()],
    )
    return _save(graph, path, card)


def write_utterance_file(path: Path, card: DetectorCard = UTTERANCE_CARD) -> Path:
    """Frames' means, less their neighbours two away, cut to windows, repeated to their length, averaged."""
    init = {
        "kernel": np.full((1, 1, WINDOW), 1 / WINDOW, np.float32),
        "context_frames": np.array([[0, 0]], np.int64),
        "channel": np.array([1], np.int64),
        "frames": np.array([2], np.int64),
        "width": np.array(card.window_frames, np.int64),
        "pads": np.array([0, 0, 2, 0, 0, 2], np.int64),
        "four": np.array([4], np.int64),
        "minus_four": np.array([-4], np.int64),
        "first": np.array([0], np.int64),
        "end": np.array([np.iinfo(np.int64).max], np.int64),
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "channel_and_frames": np.array([1, 3], np.int64),
        "flat": np.array([-1], np.int64),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["samples", "channel"], ["waves"]),
        helper.make_node("Conv", ["waves", "kernel"], ["means"], strides=[HOP]),
        helper.make_node("Pad", ["means", "pads"], ["padded"], mode="edge"),
        helper.make_node("Slice", ["padded", "first", "minus_four", "frames"], ["before"]),
        helper.make_node("Slice", ["padded", "four", "end", "frames"], ["after"]),
        helper.make_node("Sub", ["means", "before"], ["reduced"]),
        helper.make_node("Sub", ["reduced", "after"], ["values"]),
        helper.make_node("Split", ["context_frames"], ["left", "right"], axis=1, num_outputs=2),
        helper.make_node("Shape", ["values"], ["num_frames"], start=2),
        helper.make_node("Sub", ["num_frames", "left"], ["num_after"]),
        helper.make_node("Sub", ["num_after", "right"], ["num_own"]),
        helper.make_node("ReduceMax", ["num_own"], ["longest"], keepdims=0),
        helper.make_node("Max", ["longest", "width"], ["length"]),
        helper.make_node("Range", ["zero", "length", "one"], ["place"]),
        helper.make_node("Mod", ["place", "num_own"], ["repeated"]),
        helper.make_node("Add", ["repeated", "left"], ["index"]),
        helper.make_node("Gather", ["values", "index"], ["windows"], axis=2),
        helper.make_node("ReduceMean", ["windows", "channel_and_frames"], ["by_window"], keepdims=0),
        helper.make_node("Reshape", ["by_window", "flat"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "utterance",
        [
            _value("samples", ["batch", "num_samples"]),
            helper.make_tensor_value_info("context_frames", TensorProto.INT64, ["num_windows", 2]),
        ],
        [_value("scores", ["num_scores"])],
        [onnx.numpy_helper.from_array(value, name) for name, value in init.items()],
    )
    return _save(graph, path, card)


def _value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(graph: onnx.GraphProto, path: Path, card: DetectorCard) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path
