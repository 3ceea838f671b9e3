"""LiteRT files; imported in the environment of their converter alone."""

from pathlib import Path

from ai_edge_litert.interpreter import Interpreter
from litert_torch import convert
from torch import Tensor

from deploy.chunk_by_chunk import RunChunk
from deploy.detector_card import DetectorCard
from deploy.mobile.chunk_network import ChunkNetwork


def write(path: Path, network: ChunkNetwork, inputs: dict[str, Tensor]) -> None:
    """Convert a network to a file; the inputs and outputs of its signature have the network's names."""
    convert(network, sample_kwargs=inputs).export(str(path))


def open_file(path: Path, card: DetectorCard) -> RunChunk:
    """The file on one thread of LiteRT's interpreter."""
    return Interpreter(str(path), num_threads=1).get_signature_runner()
