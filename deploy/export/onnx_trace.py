"""PyTorch modules as ONNX graphs, and graphs joined to one model."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import compose, helper, numpy_helper
from torch import Tensor, nn

from deploy.export.onnx_layers import with_onnx_layers

OPSET = 20
"""Version of the ONNX operators."""
_IR_VERSION = 10
HEADER = f'<ir_version: {_IR_VERSION}, opset_import: ["": {OPSET}]>'
"""Of a model in ONNX's text syntax."""
_MAX_FOLDED = 64
"""Elements of a constant that is computed beforehand; larger ones are left to the runtime, which computes them as it
loads the file, so that they do not fill it."""


def trace(
    module: nn.Module,
    examples: tuple[Tensor, ...],
    dynamic_dims: Sequence[dict[int, str] | tuple[dict[int, str], ...]],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> onnx.ModelProto:
    """A module in evaluation as a graph without functions.

    Args:
        examples: inputs of any sizes above 1.
        dynamic_dims: of each parameter of the module, the names of the dimensions that stay open.
        inputs: names.
        outputs: names.
    """
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch about its own
        program = torch.onnx.export(
            with_onnx_layers(module).eval(),
            examples,
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=tuple(dynamic_dims),
            input_names=list(inputs),
            output_names=list(outputs),
            optimize=False,
            verbose=False,
        )
    assert program is not None
    return _tidied(program.model_proto)


def join(
    name: str,
    parts: Iterable[onnx.ModelProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """One model of several graphs, in the order of their running, which hand values to each other by equal names.

    Args:
        inputs: of the whole.
        outputs: of the whole.
    """
    graphs = [part.graph for part in parts]
    nodes = [node for graph in graphs for node in graph.node]
    initializers = [initializer for graph in graphs for initializer in graph.initializer]
    whole = helper.make_graph(nodes, name, inputs, outputs, initializers)
    return helper.make_model(
        whole,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="spoofsweep",
    )


def within(prefix: str, model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with ``prefix`` before the names of nodes and inner values."""
    return compose.add_prefix(model, prefix, rename_inputs=False, rename_outputs=False)


def _tidied(model: onnx.ModelProto) -> onnx.ModelProto:
    """Small constants computed, without functions, notes and stack traces.

    Not by the optimiser that `torch.onnx.export` calls: it computes large constants too, and takes summands of up to
    1e-8, as the floor of a spectrum is, for zero (onnxscript 0.7.2).
    """
    from onnxscript import optimizer

    optimizer.inline(model)
    _fix_shapes(model.graph)
    optimizer.fold_constants(model, input_size_limit=_MAX_FOLDED, output_size_limit=_MAX_FOLDED)
    optimizer.remove_unused_nodes(model)
    del model.graph.value_info[:]
    noted: list[Any] = [*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output]
    for one in noted:
        one.ClearField("metadata_props")
        one.ClearField("doc_string")
    return model


def _fix_shapes(graph: onnx.GraphProto) -> None:
    """Let reshapes that keep open dimensions in their places, or know all but one, do so by a constant.

    PyTorch leaves about eight operators to each, which look up the input's shape.
    """
    known = {info.name: _dims(info) for info in [*graph.input, *graph.value_info, *graph.output]}
    for node in [node for node in graph.node if node.op_type == "Reshape"]:
        before, after = known.get(node.input[0]), known.get(node.output[0])
        if not (before and after):  # not known, or a single number, of which PyTorch notes no shape
            continue
        sizes = [
            size if isinstance(size, int) else 0 if place < len(before) and before[place] == size else -1
            for place, size in enumerate(after)
        ]
        if sizes.count(-1) <= 1:
            node.input[1] = f"{node.name}_sizes"
            del node.attribute[:]  # that 0 were a size
            graph.initializer.append(numpy_helper.from_array(np.array(sizes, np.int64), node.input[1]))


def _dims(info: onnx.ValueInfoProto) -> list[int | str]:
    """Sizes, or the names of those that stay open."""
    return [dim.dim_param or dim.dim_value for dim in info.type.tensor_type.shape.dim]
