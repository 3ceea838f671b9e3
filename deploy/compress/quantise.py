"""Exported detectors in eight bits: the same two forms, smaller, and proven on real audio.

Array names carry shapes: T samples.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write_bytes, atomic_write_text
from deploy.compress.onnx_surgery import fold_network, in_network, store_weights_in_int8
from deploy.detector_folder import CARD, MODEL_FILES, STREAM, UTTERANCE
from deploy.export.onnx_file import read_detector, write_detector
from deploy.stream.detector import Detector
from deploy.stream.onnx_latency import Latency
from deploy.stream.onnx_model import OnnxModel, Work
from deploy.stream.samples import Wave
from deploy.stream.scorers import make_scorer

FLOAT, PRECISION = "float32", "int8"
_WARNINGS, _ERRORS = 2, 3
"""ONNX Runtime's levels of logging; the first is its default."""
_QUANTISED = ("Conv", "Relu")
"""A rectified linear unit after a convolution has the convolution's output range."""
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")
"""Metadata by which the quantiser knows that a graph needs no further preparation."""


@dataclass(frozen=True)
class Quantised:
    """What became of one form."""

    form: str
    before_bytes: int
    after_bytes: int
    before: Latency
    after: Latency
    num_files: int
    """Pieces of real audio that both scored."""
    max_difference: float
    """Of their scores; the mean and the standard deviation tell what it is worth."""
    mean_difference: float
    score_deviation: float
    """Standard deviation of the scores before."""
    num_changed: int
    """Files whose label changed."""


def quantise_folder(
    source: Path, output: Path, calibration: Sequence[Wave], trial: Sequence[Wave], weights_only: bool
) -> list[Quantised]:
    """`quantise` the files of an exported detector, and copy what else is in its folder: model, and card for people.

    Raises:
        SpoofsweepError: the folder holds no exported file, none in float32, or is the output itself.
    """
    if source.resolve() == output.resolve():
        raise SpoofsweepError("the detector in float32 must stay", output, "give another folder for eight bits")
    files = exported_files(source)
    outcomes = [quantise(path, output / path.name, calibration, trial, weights_only) for path in files]
    for name in (name for name in (UTTERANCE, STREAM) if not (source / name).is_file()):
        (output / name).unlink(missing_ok=True)  # of another detector
    for name in (name for name in MODEL_FILES if (source / name).is_file()):
        atomic_write_bytes(output / name, (source / name).read_bytes())
    if (source / CARD).is_file():
        card = json.loads((source / CARD).read_text()) | {"precision": PRECISION}
        atomic_write_text(output / CARD, json.dumps(card, indent=2) + "\n")
    return outcomes


def exported_files(folder: Path) -> list[Path]:
    """The forms in the folder of an exported detector; raises SpoofsweepError where there is none."""
    found = [folder / name for name in (UTTERANCE, STREAM) if (folder / name).is_file()]
    if not found:
        raise SpoofsweepError("a folder of `export` holds utterance.onnx or stream.onnx", folder)
    return found


def quantise(
    source: Path, output: Path, calibration: Sequence[Wave], trial: Sequence[Wave], weights_only: bool = False
) -> Quantised:
    """Write an exported file in eight bits, and compare the two.

    Args:
        source: an exported ONNX file, in float32.
        output: what is written.
        calibration: training audio at the model's sampling rate, of which the ranges of activations are taken.
        trial: other audio, which both files score.
        weights_only: store the weights in eight bits, but compute in float: exacter, and where a processor has no
            instruction for products of eight bits (AVX-VNNI, Arm's dot product) or maps are small, faster.

    Raises:
        SpoofsweepError: the file is no exported detector in float32.
    """
    model = OnnxModel.open(source)
    if model.card.precision != FLOAT:
        raise SpoofsweepError("only a detector in float32 can be quantised", f"{source} in {model.card.precision}")
    graph, card = read_detector(source)
    fold_network(graph)
    if not weights_only:
        graph = _with_int8_convolutions(graph, _feeds(model, calibration))
    store_weights_in_int8(graph)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_detector(output, graph, replace(card, precision=PRECISION))
    return _compared(source, output, trial)


def _with_int8_convolutions(graph: onnx.ModelProto, feeds: Iterator[dict[str, Any]]) -> onnx.ModelProto:
    """Activations as unsigned, weights as signed eight bits with a scale an output channel; what is static.

    Weights take seven bits of the eight: processors without a dot product of eight bits add pairs of products up in
    sixteen, which overflow with all eight (scores of one network were off by 1.6 instead of 0.15). As it is, every
    processor gives the same scores.
    """
    onnx.helper.set_model_props(graph, dict([_PREPARED]))
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "quantised.onnx"
        quantize_static(
            graph,
            path,
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(_QUANTISED),
            nodes_to_quantize=[node.name for node in graph.graph.node if in_network(node)],
        )
        return onnx.load(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser's own sessions would warn of the optional input ``context_frames``."""
    onnxruntime.set_default_logger_severity(_ERRORS)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)


class _Reader(CalibrationDataReader):
    """Hands the quantiser one feed after another."""

    def __init__(self, feeds: Iterator[dict[str, Any]]) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def _feeds(model: OnnxModel, waves: Sequence[Wave]) -> Iterator[dict[str, Any]]:
    """What detectors feed the graph as they score the waves; a stream form's states are those of real streams."""
    for wave_T in waves:
        scorer = make_scorer(model)
        for start in range(0, len(wave_T), model.card.sample_rate):
            yield from _inputs(model, scorer.feed(wave_T[start : start + model.card.sample_rate]))
        yield from _inputs(model, scorer.finish())


def _inputs(model: OnnxModel, work: Work[Any]) -> Iterator[dict[str, Any]]:
    """The inputs of the runs that a piece of work takes."""
    try:
        inputs = next(work)
        while True:
            yield dict(inputs)
            inputs = work.send(model.run(inputs))
    except StopIteration:
        return


def _compared(source: Path, output: Path, trial: Sequence[Wave]) -> Quantised:
    before, after = (OnnxModel.open(path) for path in (source, output))
    first, second = (
        [Detector(model).score(wave_T, model.card.sample_rate) for wave_T in trial] for model in (before, after)
    )
    difference = np.abs([b.score - a.score for a, b in zip(first, second, strict=True)])
    return Quantised(
        form=before.card.form,
        before_bytes=source.stat().st_size,
        after_bytes=output.stat().st_size,
        before=Latency.of(before),
        after=Latency.of(after),
        num_files=len(trial),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        score_deviation=float(np.std([one.score for one in first])),
        num_changed=sum(a.label != b.label for a, b in zip(first, second, strict=True)),
    )
