"""The command that makes a detector of a trained model."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.detector_card import WHOLE_FILE
from deploy.options import TrackingUri
from deploy.parity.cli import GateOption, PrunedOption, parse_gates
from deploy.tracking_store import DEFAULT_URI

if TYPE_CHECKING:
    from deploy.export.export import Export, ExportedFile

app = typer.Typer()


@app.command()
def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="champion, champion@STUDY, a run id, or a model folder.")
    ] = "champion",
    output: Annotated[
        Path | None, typer.Option(help="Folder of the detector; by default results/detectors/NAME-VERSION.")
    ] = None,
    study: Annotated[str | None, typer.Option(help="The study whose champion is meant.")] = None,
    tracking_uri: TrackingUri = DEFAULT_URI,
    false_alarm_rate: Annotated[
        list[float] | None,
        typer.Option(min=1e-9, max=1.0, help="Add the threshold that calls this share of bona fide speech spoofed."),
    ] = None,
    false_acceptance_rate: Annotated[
        list[float] | None,
        typer.Option(min=1e-9, max=1.0, help="Add the threshold that takes this share of spoofs for bona fide."),
    ] = None,
    spoof_prior: Annotated[
        float | None, typer.Option(min=1e-9, max=1 - 1e-9, help="Add the threshold for this share of spoofs.")
    ] = None,
    cost_false_alarm: Annotated[
        float, typer.Option(min=1e-9, help="With --spoof-prior: of calling bona fide speech spoofed.")
    ] = 1.0,
    cost_false_acceptance: Annotated[
        float, typer.Option(min=1e-9, help="With --spoof-prior: of taking a spoof for bona fide speech.")
    ] = 10.0,
    decide_at: Annotated[
        str, typer.Option(help="The operating point that labels go by, as false_alarm_rate=0.01.")
    ] = "eer",
    shards: Annotated[
        str | None, typer.Option(help="Score dev from this folder of shard sets; else as training scored it.")
    ] = None,
    parity: Annotated[
        Path | None,
        typer.Option(help="Prove it on this corpus (folder or study file) first, see `parity`; else publish nothing."),
    ] = None,
    pruned: PrunedOption = None,
    gate: GateOption = None,
    register: Annotated[
        bool, typer.Option("--register", help="Log it to the model's run, and register it as STUDY-detector.")
    ] = False,
) -> None:
    """Make a self-contained detector of a trained model: ONNX files that take raw samples.

    Leaves utterance.onnx, for a model that can follow a stream stream.onnx, card.json, and the model for retraining.
    Every file is held against the trained model first.
    """
    from data_prep.remote_files import to_path
    from deploy.export import export as exporting
    from deploy.export.operating_points import Wishes
    from trainable.metrics.detection_cost import CostModel

    console = Console()
    costs = None if spoof_prior is None else CostModel(spoof_prior, cost_false_alarm, cost_false_acceptance)
    wishes = Wishes(tuple(false_alarm_rate or ()), tuple(false_acceptance_rate or ()), costs)
    dev_shards = None if shards is None else to_path(shards)

    def make(folder: Path | None) -> "Export":
        return exporting.export(model, tracking_uri, study, folder, wishes, decide_at, dev_shards)

    with console.status("exporting"):
        if parity is None:
            done, report = make(output), None
        else:
            from deploy.parity.proven import proven
            from deploy.parity.run import Request

            done, report = proven(make, output, Request(parity, pruned, gates=parse_gates(gate)), tracking_uri)
    print_export(done, console)
    if report is not None:
        from deploy.parity.table import print_report

        print_report(report, console)
        if not report.passed:
            console.print("Not published: a gate is not kept", style="bold red")
            raise typer.Exit(1)
    if register:
        from deploy.export.detector_registry import register_detector

        name, version = register_detector(done.folder, done.card, done.origin.run_id, tracking_uri)
        console.print(f"Registered as {name}, version {version}, alias champion", highlight=False, soft_wrap=True)


def print_export(done: "Export", console: Console) -> None:
    """The files, the thresholds, and what is missing."""
    console.print(file_table(done.files))
    console.print(_threshold_table(done))
    if done.no_stream is not None:
        by_windows = done.card.context_frames != WHOLE_FILE
        live = "Live audio is scored by windows" if by_windows else "Files are scored, live audio is not"
        console.print(Text(f"No stream.onnx: {done.no_stream}. {live}.", "yellow"))
    console.print(f"Detector in {done.folder}", highlight=False, soft_wrap=True, markup=False)


def file_table(files: "Iterable[ExportedFile]") -> Table:
    """Size, fidelity and speed of each."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("file", no_wrap=True)
    for name in ("kB", "largest score difference", "audio", "p50", "p99", "x real time"):
        table.add_column(name, justify="right")
    for file in files:
        f = file.fidelity
        values = f"{file.num_bytes / 1000:.0f}", f"{f.max_difference:.1e}", f"{f.timed_s:.2f} s"
        speed = f"{f.p50_ms:.3f} ms", f"{f.p99_ms:.3f} ms", f"{1000 * f.timed_s / f.p50_ms:,.0f}"
        table.add_row(file.path.name, *values, *speed)
    return table


def _threshold_table(done: "Export") -> Table:
    calibration = done.card.calibration
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("operating point")
    table.add_column("threshold", justify="right")
    table.add_column("as log-likelihood ratio", justify="right")
    for name, threshold in done.card.operating_points.items():
        llr = "" if calibration is None else f"{calibration[0] * threshold + calibration[1]:+.3f}"
        decides = "  (decides)" if threshold == done.card.threshold else ""
        table.add_row(Text(name + decides), f"{threshold:+.3f}", llr)
    return table
