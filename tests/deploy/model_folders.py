"""Model folders of networks that nobody trained."""

from pathlib import Path

import torch
from onnx_runs import seasoned
from torch import Tensor, nn

from data_prep.features_config import FeaturesConfig
from trainable.checkpoints.checkpoint import ModelRecord, write_model
from trainable.config import TrialConfig
from trainable.metrics.calibration import Calibration
from trainable.models import build_model

STREAM_FEATURES = FeaturesConfig(deltas=0, pre_emphasis=0.97)


def untrained(model: dict[str, object], features: FeaturesConfig, wave_BT: Tensor) -> tuple[ModelRecord, nn.Module]:
    """Its running statistics are those of the waves."""
    trial = TrialConfig.model_validate({"model": model, "validation": {"window_s": 0.6}})
    torch.manual_seed(0)
    network = seasoned(build_model(trial.model, features.num_bins), features, wave_BT)
    record = ModelRecord(
        trial=trial,
        seed=0,
        features=features,
        num_bins=features.num_bins,
        shard_set_id="0123456789abcdef",
        signature="fedcba9876543210",
        code_version="0",
        device="cpu",
        precision="float32",
        num_threads=1,
        torch_version=str(torch.__version__),
        samples_seen=0,
        dev_eer=0.1,
        threshold=0.125,
        calibration=Calibration(2.0, -0.5),
    )
    return record, network


def untrained_folder(
    folder: Path, model: dict[str, object], features: FeaturesConfig, wave_BT: Tensor
) -> tuple[ModelRecord, nn.Module]:
    """The same, written to ``folder``."""
    record, network = untrained(model, features, wave_BT)
    write_model(folder, record, network)
    return record, network
