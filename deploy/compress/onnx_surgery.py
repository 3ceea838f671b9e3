"""What is done to the network inside an exported graph before and after its convolutions are quantised.

The front end is left as it is: its constants are computed when the file is loaded, and its arithmetic stays in float.
"""

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxscript import ir, optimizer

from deploy.export.onnx_forms import NETWORK

FEWEST = 128
"""Values of a weight that is worth a scale a row."""
LARGEST = 127
"""Of the symmetric range of eight bits."""
_EVERYTHING = 2**31


def in_network(node: onnx.NodeProto | ir.Node) -> bool:
    """Whether a node belongs to the network rather than to the front end."""
    return (node.name or "").startswith(NETWORK)


def fold_network(model: onnx.ModelProto) -> None:
    """Compute what depends on the network's weights alone, such as the order of a GRU's gates, and take each batch
    normalisation that follows a convolution into the convolution's weight and bias.

    Quantised, the two together have one rounding instead of two.
    """
    optimizer.fold_constants(model, input_size_limit=_EVERYTHING, output_size_limit=_EVERYTHING, should_fold=in_network)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in [node for node in graph.node if node.op_type == "Conv" and in_network(node)]:
        following = readers[node.output[0]]
        if [each.op_type for each in following] == ["BatchNormalization"]:
            _fold_into(node, following[0], weights, graph)
    optimizer.remove_unused_nodes(model)


def store_weights_in_int8(model: onnx.ModelProto) -> None:
    """Store the weights of layers in eight bits, with a scale a row: per output channel, gate row or output unit.

    The rest of the arithmetic stays in float. ONNX Runtime multiplies them out when it loads the file: it computes Cast
    and Mul of constants beforehand, but DequantizeLinear at every run, which measured 0.05 ms of the 0.2 ms of a chunk
    of 100 ms (ONNX Runtime 1.32, a network of 42,000 parameters).
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    decoders: list[onnx.NodeProto] = []
    for node in [node for node in graph.node if in_network(node) and node.op_type in _ROW_AXES]:
        places, axes_of = _ROW_AXES[node.op_type]
        for name in (node.input[place] for place in places):
            tensor = weights.pop(name, None)
            if tensor is None or tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < FEWEST:
                continue
            graph.initializer.remove(tensor)
            decoders += _decoder(graph, name, numpy_helper.to_array(tensor), axes_of(node))
    for decoder in reversed(decoders):
        graph.node.insert(0, decoder)


def _gemm_axes(node: onnx.NodeProto) -> tuple[int, ...]:
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return (1,) if transposed else (0,)


_ROW_AXES: dict[str, tuple[tuple[int, ...], Callable[[onnx.NodeProto], tuple[int, ...]]]] = {
    "Conv": ((1,), lambda node: (1, 2, 3)),
    "GRU": ((1, 2), lambda node: (2,)),
    "LSTM": ((1, 2), lambda node: (2,)),
    "MatMul": ((1,), lambda node: (0,)),
    "Gemm": ((1,), _gemm_axes),
}
"""By the type of a layer: which of its inputs are weights, and the axes over which values share a scale."""


def _decoder(
    graph: onnx.GraphProto, name: str, values: NDArray[np.float32], axes: tuple[int, ...]
) -> list[onnx.NodeProto]:
    """Store ``values``, and give the nodes that make them ``name`` again."""
    scale = np.abs(values).max(axis=axes, keepdims=True) / LARGEST
    scale[scale == 0.0] = 1.0
    whole = np.round(values / scale).astype(np.int8)
    graph.initializer.append(numpy_helper.from_array(whole, f"{name}_int8"))
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))
    return [
        helper.make_node("Cast", [f"{name}_int8"], [f"{name}_whole"], f"{name}_cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}_whole", f"{name}_scale"], [name], f"{name}_mul"),
    ]


def _fold_into(
    convolution: onnx.NodeProto, norm: onnx.NodeProto, weights: dict[str, TensorProto], graph: onnx.GraphProto
) -> None:
    gain, offset, mean, variance = (numpy_helper.to_array(weights[name]) for name in norm.input[1:])
    epsilon = next(attribute.f for attribute in norm.attribute if attribute.name == "epsilon")
    scale = gain / np.sqrt(variance + epsilon)
    weight = numpy_helper.to_array(weights[convolution.input[1]])
    bias = numpy_helper.to_array(weights[convolution.input[2]]) if len(convolution.input) > 2 else 0.0
    # Under names of its own: a bias of zeros may be several convolutions' at once.
    names = [f"{convolution.name}_folded_{part}" for part in ("weight", "bias")]
    folded = [weight * scale[:, None, None, None], (bias - mean) * scale + offset]
    for name, values in zip(names, folded, strict=True):
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    convolution.input[1:] = names
    convolution.output[0] = norm.output[0]
    graph.node.remove(norm)
