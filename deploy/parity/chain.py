"""From a trained model and its exported files to the forms that a parity report compares."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from deploy.compress.quantise import quantise_folder
from deploy.detector_card import DetectorCard
from deploy.detector_folder import STREAM, UTTERANCE
from deploy.export.export import default_folder, export
from deploy.export.form_cards import stream_obstacle
from deploy.export.model_origin import ModelOrigin, find_origin
from deploy.parity.contenders import Contender, file_contender, torch_contender
from deploy.parity.row import (
    BF16,
    FLOAT32,
    INT8,
    ONNX,
    PRUNED,
    PRUNED_INT8,
    STREAMED,
    STREAMED_INT8,
    STREAMED_PRUNED_INT8,
    WHOLE,
)
from deploy.stream.onnx_model import OnnxModel
from deploy.stream.samples import Wave
from trainable.checkpoints.checkpoint import ModelRecord, read_model
from trainable.models.streamable import Streamable

INT8_FOLDER, PRUNED_FOLDER = "int8", "pruned"
"""Below the folder of an exported detector."""
_NUM_TRIAL = 2
"""Pieces of the training audio that quantisation compares by itself; the report does so on other audio."""


@dataclass(frozen=True)
class ExportedModel:
    """A trained model, and the folder of the files exported of it."""

    origin: ModelOrigin
    record: ModelRecord
    model: nn.Module
    folder: Path

    @classmethod
    def of(cls, origin: ModelOrigin, folder: Path) -> "ExportedModel":
        """Read the trained model."""
        return cls(origin, *read_model(origin.folder), folder)

    @classmethod
    def found_or_made(
        cls, reference: str, tracking_uri: str, study: str | None, output: Path | None
    ) -> "ExportedModel":
        """The files in ``output`` (by default where `export` puts them), exported now unless they are of the model that
        ``reference`` names.

        Raises:
            SpoofsweepError: as `deploy.export.export`.
        """
        origin = find_origin(reference, tracking_uri, study)
        found = cls.of(origin, output or default_folder(origin))
        if not (found.folder / UTTERANCE).is_file() or found.card.signature != found.record.signature:
            export(reference, tracking_uri, study, found.folder)
        return found

    @property
    def card(self) -> DetectorCard:
        """Of the utterance form."""
        return OnnxModel.open(self.folder / UTTERANCE).card

    @property
    def stream_obstacle(self) -> str | None:
        """Why there is no stream form; none if there is one."""
        return stream_obstacle(self.record, self.model)

    @property
    def shortest_s(self) -> float:
        """What every form can score: a step of a stream, or two analysis windows as preparation asks for."""
        features = self.record.features
        num_samples = features.window_samples + features.hop_samples
        if isinstance(self.model, Streamable):
            num_samples += self.model.step_frames * features.hop_samples
        return num_samples / features.sample_rate

    def quantise(self, waves: Sequence[Wave], weights_only: bool) -> None:
        """Store every exported file in eight bits, below the folder."""
        calibration, trial = waves[:-_NUM_TRIAL], waves[-_NUM_TRIAL:]
        quantise_folder(self.folder, self.folder / INT8_FOLDER, calibration, trial, weights_only)


def chain(original: ExportedModel, pruned: ExportedModel | None, has_int8: bool) -> list[Contender]:
    """The forms in their order, those of windows first; what is not there is left out."""
    record, model, folder = original.record, original.model, original.folder
    found = [
        torch_contender(FLOAT32, record, model),
        torch_contender(BF16, record, model, precision="bf16"),
        file_contender(ONNX, folder / UTTERANCE),
    ]
    if has_int8:
        found.append(file_contender(INT8, folder / INT8_FOLDER / UTTERANCE))
    if pruned is not None:
        found.append(file_contender(PRUNED, pruned.folder / UTTERANCE))
        if has_int8:
            found.append(file_contender(PRUNED_INT8, pruned.folder / INT8_FOLDER / UTTERANCE))
    if original.stream_obstacle is not None:
        return found
    found.append(torch_contender(WHOLE, record, model, is_whole=True))
    found.append(file_contender(STREAMED, folder / STREAM))
    if has_int8:
        found.append(file_contender(STREAMED_INT8, folder / INT8_FOLDER / STREAM))
        if pruned is not None:
            found.append(file_contender(STREAMED_PRUNED_INT8, pruned.folder / INT8_FOLDER / STREAM))
    return found


def left_out(original: ExportedModel, pruned: ExportedModel | None, has_int8: bool) -> tuple[str, ...]:
    """Which rows the report does without, and what they would need."""
    missing = []
    if not has_int8:
        missing.append("int8: the corpus has too little training audio to quantise with")
    if pruned is None:
        missing.append("pruned, pruned int8: give --pruned, a model that `spoofsweep prune` left")
    if original.stream_obstacle is not None:
        missing.append(f"streamed, streamed int8: {original.stream_obstacle}")
    return tuple(missing)
