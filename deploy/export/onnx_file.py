"""An exported detector as a file: its graph, with its card in the metadata."""

from pathlib import Path

import onnx
from onnx import helper

from data_prep.atomic import atomic_write_bytes
from deploy.detector_card import METADATA_KEY, DetectorCard


def write_detector(path: Path, graph: onnx.ModelProto, card: DetectorCard) -> None:
    """Check a graph, give it its card, and put it at ``path`` in one step.

    Raises:
        onnx.checker.ValidationError: it is no valid model.
    """
    onnx.checker.check_model(graph, full_check=True)
    helper.set_model_props(graph, {METADATA_KEY: card.to_json()})
    atomic_write_bytes(path, graph.SerializeToString())


def read_detector(path: Path) -> tuple[onnx.ModelProto, DetectorCard]:
    """The graph and the card of an exported file, to make another one of it."""
    graph = onnx.load(path)
    (text,) = (entry.value for entry in graph.metadata_props if entry.key == METADATA_KEY)
    return graph, DetectorCard.from_json(text)
