"""Makes a detector of a trained model: a folder with its files, each held against the model before it is there."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
from torch import nn

from data_prep.atomic import atomic_write_bytes, atomic_write_text
from deploy.detector_card import DetectorCard
from deploy.detector_folder import CARD, MODEL_FILES, STREAM, UTTERANCE
from deploy.export.dev_scores import computed_scores, kept_scores
from deploy.export.export_check import Fidelity, check_stream, check_utterance
from deploy.export.form_cards import detector_card, stream_card, stream_obstacle
from deploy.export.model_origin import ModelOrigin, find_origin
from deploy.export.onnx_file import write_detector
from deploy.export.onnx_forms import stream_graph, utterance_graph
from deploy.export.operating_points import EER, NO_WISHES, Wishes, operating_points
from trainable.checkpoints.atomic_folder import readable_folder
from trainable.checkpoints.checkpoint import ModelRecord, read_model
from trainable.metrics.calibration import fit_calibration
from trainable.models.streamable import Streamable
from trainable.scores.scores import ScoreTable

DEFAULT_OUTPUT = Path("results/detectors")


@dataclass(frozen=True)
class ExportedFile:
    """A file, and how it compares with the trained model."""

    path: Path
    num_bytes: int
    fidelity: Fidelity


@dataclass(frozen=True)
class Export:
    """What an export left."""

    folder: Path
    origin: ModelOrigin
    card: DetectorCard
    """Of the utterance form."""
    files: tuple[ExportedFile, ...]
    no_stream: str | None
    """Why there is no stream form, and how to get a model that has one."""


def export(
    reference: str,
    tracking_uri: str,
    study: str | None = None,
    output: Path | None = None,
    wishes: Wishes = NO_WISHES,
    decide_at: str = EER,
    shards: Path | None = None,
) -> Export:
    """Write the detector of the model that ``reference`` names, see `deploy.models.resolve`.

    Args:
        study: the study whose champion is meant.
        output: folder, made where it is missing, other files in it stay; by default one of the model's own name.
        wishes: thresholds beside the validation's EER point.
        decide_at: the threshold that labels go by.
        shards: folder of shard sets to score dev from; none means the scores that training kept.

    Raises:
        SpoofsweepError: there is no such model, a threshold cannot be had, or a file would not
            score as the model does.
    """
    origin = find_origin(reference, tracking_uri, study)
    record, model = read_model(origin.folder)
    scores = kept_scores(origin, tracking_uri) if shards is None else computed_scores(model, record, shards)
    card = described(origin, record, model, scores, wishes, decide_at)
    folder = output or default_folder(origin)
    files = write_forms(record, model, card, folder)
    _write_sources(origin, card, folder)
    return Export(folder, origin, card, files, stream_obstacle(record, model))


def default_folder(origin: ModelOrigin) -> Path:
    """Where a detector goes unless told otherwise: no two runs share a folder."""
    return DEFAULT_OUTPUT / "-".join(filter(None, (origin.name, origin.version or origin.run_id[:8])))


def described(
    origin: ModelOrigin,
    record: ModelRecord,
    model: nn.Module,
    scores: ScoreTable | None,
    wishes: Wishes = NO_WISHES,
    decide_at: str = EER,
) -> DetectorCard:
    """The card of a model's utterance form, with its thresholds.

    Args:
        scores: of dev; none where they are not at hand.

    Raises:
        SpoofsweepError: a threshold cannot be had.
    """
    calibration = record.calibration
    if calibration is None and scores is not None:
        calibration = fit_calibration(scores.bonafide, scores.spoof)
    points = operating_points(record.threshold, calibration, scores, wishes)
    return detector_card(record, model, origin, points, calibration, decide_at)


def write_forms(record: ModelRecord, model: nn.Module, card: DetectorCard, folder: Path) -> tuple[ExportedFile, ...]:
    """Write the forms that a model has; a stream form that was there is removed, for it would be another model's.

    Raises:
        SpoofsweepError: a file would not score as the model does.
    """
    features = record.features
    graph = utterance_graph(model, features, card.window_frames)
    utterance = _checked(folder / UTTERANCE, graph, card, lambda path: check_utterance(path, model, features))
    (folder / STREAM).unlink(missing_ok=True)
    if stream_obstacle(record, model) is not None:
        return (utterance,)
    assert isinstance(model, Streamable)
    graph, streamable = stream_graph(model, features), model
    card = stream_card(card, features, streamable)
    return utterance, _checked(folder / STREAM, graph, card, lambda path: check_stream(path, streamable, features))


def _checked(path: Path, graph: onnx.ModelProto, card: DetectorCard, check: Callable[[Path], Fidelity]) -> ExportedFile:
    """Put a file in its place once it is seen to score as the model does."""
    unchecked = path.with_name(f".{path.stem}.unchecked.onnx")
    try:
        write_detector(unchecked, graph, card)
        fidelity = check(unchecked)
        unchecked.replace(path)
    finally:
        unchecked.unlink(missing_ok=True)
    return ExportedFile(path, path.stat().st_size, fidelity)


def _write_sources(origin: ModelOrigin, card: DetectorCard, folder: Path) -> None:
    """The card for people, and the model for retraining."""
    for name in MODEL_FILES:
        atomic_write_bytes(folder / name, (readable_folder(origin.folder) / name).read_bytes())
    atomic_write_text(folder / CARD, json.dumps(json.loads(card.to_json()), indent=2) + "\n")
