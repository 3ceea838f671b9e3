"""A model as ONNX, and its scores by onnxruntime."""

import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.export import _patches

OPSET = 20


def exported(model: nn.Module, num_bins: int) -> onnx.ModelProto:
    """The model in evaluation with the number of utterances and of frames left open, found valid by onnx's checker.

    Exported in inference mode, and with recurrent layers understood as loops *throughout*: PyTorch 2.14 does so while
    it captures the graph, but unrolls them again when it converts it, which for bidirectional ones goes wrong and for
    the others takes long. Either way each becomes one GRU or LSTM of ONNX.
    """
    with (
        torch.inference_mode(),
        _patches.register_gru_while_loop_decomposition(),
        _patches.register_lstm_while_loop_decomposition(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of PyTorch about its own, and about the weights of recurrent layers
        program = torch.onnx.export(
            model.eval(),
            (torch.zeros(3, 40, num_bins),),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=({0: "batch", 1: "time"},),
            verbose=False,
        )
    assert program is not None
    onnx.checker.check_model(program.model_proto, full_check=True)
    return program.model_proto


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
