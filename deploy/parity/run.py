"""Scores a corpus with every form of a detector, and reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cluster.errors import SpoofsweepError
from cluster.machine_facts import machine_facts
from data_prep.one_thread import one_thread
from deploy.export.model_origin import find_origin
from deploy.parity.audio import ParityAudio
from deploy.parity.chain import PRUNED_FOLDER, ExportedModel, chain, left_out
from deploy.parity.contenders import Contender
from deploy.parity.gates import Gates, breaches
from deploy.parity.report import ParityReport
from deploy.parity.row import FLOAT32, PRUNED, PRUNED_ROWS, Cost, Row
from deploy.parity.scored import Scored
from trainable.checkpoints.checkpoint import read_record
from trainable.checkpoints.signature import code_version
from trainable.metrics.calibration import Calibration, fit_calibration

ARTIFACT = "parity"
"""Folder among a run's artefacts."""
_PACKAGES = ("torch", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Request:
    """What a report is to be about, beside the model."""

    audio: Path
    """Folder of a corpus, or a study file."""
    pruned: str | None = None
    """A pruned network of the same training, named as a model is."""
    split: Literal["dev", "eval"] = "dev"
    most: int | None = None
    """Utterances; none takes all of the split."""
    weights_only: bool = False
    """Eight bits on disk alone, see `deploy.compress.quantise`."""
    num_calibration: int = 128
    """Pieces of training audio to quantise with."""
    gates: Gates = field(default_factory=Gates)
    num_resamples: int = 500
    """Of the bootstrap."""


def parity(original: ExportedModel, request: Request, tracking_uri: str) -> ParityReport:
    """Make the rest of the chain below the exported folder, score, time, and hold against the gates.

    Raises:
        SpoofsweepError: the corpus lacks the split or a class of it, or is none; or what is pruned is another model.
    """
    audio = ParityAudio.open(request.audio, original.record, original.shortest_s)
    utterances = audio.utterances(request.split, request.most)
    pruned = None if request.pruned is None else _pruned(request.pruned, original, tracking_uri)
    waves = audio.training_waves(request.num_calibration)
    for one in filter(None, (original, pruned)) if waves else ():
        one.quantise(waves, request.weights_only)
    contenders = chain(original, pruned, bool(waves))
    with one_thread():
        scored = Scored.of(contenders, audio, utterances)
        models = {FLOAT32: original} | ({} if pruned is None else {PRUNED: pruned})
        calibrations = {
            one.name: _calibration(models[one.name], one, scored, audio, request)
            for one in contenders
            if one.name in models
        }
        rows = tuple(
            _row(one, scored, calibrations[PRUNED if one.name in PRUNED_ROWS else FLOAT32][0], request)
            for one in contenders
        )
    sources = {name: source for name, (_, source) in calibrations.items()}
    return _report(original, audio, scored, request, rows, sources, left_out(original, pruned, bool(waves)))


def _pruned(reference: str, original: ExportedModel, tracking_uri: str) -> ExportedModel:
    """The network that was cut out of the model, exported below its folder."""
    record = read_record(find_origin(reference, tracking_uri).folder)
    if original.record.signature not in {larger.signature for larger in record.pruned_from}:
        found = f"{reference}, which is not cut out of {original.record.signature}"
        raise SpoofsweepError("--pruned names what `spoofsweep prune` left of the same model", found)
    return ExportedModel.found_or_made(reference, tracking_uri, None, original.folder / PRUNED_FOLDER)


def _report(
    original: ExportedModel,
    audio: ParityAudio,
    scored: Scored,
    request: Request,
    rows: tuple[Row, ...],
    calibration: Mapping[str, str],
    missing: tuple[str, ...],
) -> ParityReport:
    origin, card, table = original.origin, original.card, scored.tables[FLOAT32]
    return ParityReport(
        name=origin.name,
        version=origin.version,
        run_id=origin.run_id,
        signature=original.record.signature,
        architecture=card.architecture,
        num_parameters=card.num_parameters,
        split=request.split,
        corpus=f"{audio.corpus.layout} {audio.corpus.identity[:16]}",
        held_out=original.record.held_out,
        num_bonafide=len(table.bonafide),
        num_spoof=len(table.spoof),
        hours=scored.audio_s / 3600,
        rejected=scored.rejected,
        trained_eer=original.record.dev_eer,
        calibration=calibration,
        rows=rows,
        left_out=missing,
        gates=request.gates.model_dump(),
        breaches=breaches(rows, request.gates),
        machine=machine_facts(*_PACKAGES) | {"spoofsweep": code_version()},
    )


def log_report(report: ParityReport, files: Sequence[Path], tracking_uri: str) -> None:
    """Keep the files with the run that trained the model; nothing where no run is known of."""
    from deploy.tracking_store import open_client

    if report.run_id:
        client = open_client(tracking_uri)
        for path in files:
            client.log_artifact(report.run_id, str(path), ARTIFACT)


def _row(one: Contender, scored: Scored, calibration: Calibration, request: Request) -> Row:
    cost = Cost(one.num_bytes, one.latency(), 3600 * scored.cpu_s[one.name] / scored.audio_s)
    return Row.of(one.name, scored.tables, calibration, cost, request.num_resamples)


def _calibration(
    model: ExportedModel, one: Contender, scored: Scored, audio: ParityAudio, request: Request
) -> tuple[Calibration, str]:
    """A model's calibration, and where it comes from."""
    known = model.card.calibration
    if known is not None:
        return Calibration(*known), "the model's own, fitted on dev"
    if request.split == "dev":
        table = scored.tables[one.name]
        return fit_calibration(table.bonafide, table.spoof), "fitted here, on the dev scores that it is applied to"
    table = Scored.of([one], audio, audio.utterances("dev", request.most)).tables[one.name]
    return fit_calibration(table.bonafide, table.spoof), "fitted here on dev"
