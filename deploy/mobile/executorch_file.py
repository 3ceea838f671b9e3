"""ExecuTorch files for its XNNPACK back-end; imported in the environment of their converter alone."""

from pathlib import Path

import numpy as np
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime
from numpy.typing import NDArray
from torch import Tensor

from deploy.chunk_by_chunk import RunChunk
from deploy.detector_card import NEXT, SAMPLES, SCORES, DetectorCard
from deploy.mobile.chunk_network import ChunkNetwork


def write(path: Path, network: ChunkNetwork, inputs: dict[str, Tensor]) -> None:
    """Convert a network to a file; its inputs and outputs have no names there, but the order of the card's states."""
    program = torch.export.export(network, (), inputs)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path.write_bytes(lowered.to_executorch().buffer)


def open_file(path: Path, card: DetectorCard) -> RunChunk:
    """The file in ExecuTorch's runtime."""
    method = Runtime.get().load_program(path).load_method("forward")
    inputs = (SAMPLES, *card.states)
    outputs = (SCORES, *(NEXT + name for name in card.states))

    def run(**values: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        results = method.execute([torch.from_numpy(values[name]) for name in inputs])
        # Copied, for the next chunk overwrites them.
        return {name: result.numpy().copy() for name, result in zip(outputs, results, strict=True)}

    return run
