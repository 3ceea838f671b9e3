"""A model as ONNX, and its scores by onnxruntime."""

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from deploy.export.onnx_trace import trace


def exported(model: nn.Module, num_bins: int) -> onnx.ModelProto:
    """The model in evaluation with the number of utterances and of frames left open, found valid by onnx's checker."""
    graph = trace(
        model, (torch.zeros(3, 40, num_bins),), ({0: "batch", 1: "time"},), inputs=("features",), outputs=("logits",)
    )
    onnx.checker.check_model(graph, full_check=True)
    return graph


class Runtime:
    """Runs an exported model on the CPU."""

    def __init__(self, exported: onnx.ModelProto) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            exported.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, feat_BTF: Tensor) -> Tensor:
        (logits_BC,) = self._session.run(None, {self._session.get_inputs()[0].name: feat_BTF.numpy()})
        return torch.from_numpy(np.asarray(logits_BC))
