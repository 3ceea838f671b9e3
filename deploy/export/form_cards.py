"""Cards of a trained model's forms, and which forms it has."""

import math
from dataclasses import replace

from torch import nn

from cluster.errors import SpoofsweepError
from data_prep.features_config import FeaturesConfig
from deploy.detector_card import WHOLE_FILE, DetectorCard
from deploy.export.model_origin import ModelOrigin
from deploy.export.onnx_forms import state_shapes
from deploy.export.operating_points import EER
from trainable.checkpoints.checkpoint import ModelRecord
from trainable.checkpoints.signature import code_version
from trainable.metrics.calibration import Calibration
from trainable.models.streamable import Streamable
from trainable.scores.scoring import frames_in


def detector_card(
    record: ModelRecord,
    model: nn.Module,
    origin: ModelOrigin,
    points: dict[str, float],
    calibration: Calibration | None,
    decide_at: str = EER,
) -> DetectorCard:
    """The card of the utterance form.

    Args:
        points: thresholds by name.
        decide_at: the one that labels go by.

    Raises:
        SpoofsweepError: there is no such threshold.
    """
    if decide_at not in points:
        raise SpoofsweepError("a detector decides at one of its operating points", decide_at, f"of {', '.join(points)}")
    features = record.features
    return DetectorCard(
        form="utterance",
        sample_rate=features.sample_rate,
        window_samples=features.window_samples,
        hop_samples=features.hop_samples,
        window_frames=frames_in(record.trial.validation.window_s, features),
        coverage=record.trial.validation.coverage,
        threshold=points[decide_at],
        context_frames=_context_frames(record),
        operating_points=points,
        calibration=None if calibration is None else (calibration.scale, calibration.offset),
        name=origin.name,
        version=origin.version,
        signature=record.signature,
        shard_set_id=record.shard_set_id,
        code_version=code_version(),
        architecture=record.trial.model.kind,
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        features=features.model_dump(mode="json"),
        metrics={k: v for k, v in (origin.metrics or _last_metrics(record)).items() if math.isfinite(v)},
    )


def stream_card(card: DetectorCard, features: FeaturesConfig, model: Streamable) -> DetectorCard:
    """The card of the stream form of the same model."""
    return replace(
        card,
        form="stream",
        context_frames=0,
        step_samples=model.step_frames * features.hop_samples,
        lead_samples=features.window_samples - features.hop_samples,
        states={name: list(shape) for name, shape in state_shapes(model, features).items()},
    )


def stream_obstacle(record: ModelRecord, model: nn.Module) -> str | None:
    """Why a model cannot follow a stream, and what one that can is made of; none if it can."""
    features = record.features
    if not isinstance(model, Streamable):
        kind = record.trial.model.kind
        return f"{kind} looks at what comes later; train edge_gru, or cnn_gru with model.causal = true"
    if features.deltas:
        return "derivatives look at later frames; train with features.deltas = 0"
    if features.cmvn == "utterance":
        return "it normalises over the whole file; train with features.cmvn = none or global"
    if features.hop_samples > features.window_samples:
        return "its analysis windows leave gaps; train with features.hop_ms up to features.window_ms"
    return None


def _context_frames(record: ModelRecord) -> int:
    features = record.features
    if features.cmvn == "utterance":
        return WHOLE_FILE
    return features.deltas * features.delta_reach + int(features.pre_emphasis > 0)


def _last_metrics(record: ModelRecord) -> dict[str, float]:
    last = record.history[-1].metrics if record.history else {}
    return {name: value for name, value in last.items() if name.startswith("dev_")}
