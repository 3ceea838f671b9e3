"""The command that proves a detector."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cluster.errors import SpoofsweepError
from deploy.options import TrackingUri
from deploy.tracking_store import DEFAULT_URI

if TYPE_CHECKING:
    from deploy.parity.gates import Gates

app = typer.Typer()

AudioOption = Annotated[Path, typer.Option(help="Folder of a corpus in a known layout, or the study file about it.")]
PrunedOption = Annotated[str | None, typer.Option(help="A model that `prune` made of this one.")]
GateOption = Annotated[list[str] | None, typer.Option("--gate", help="NAME=LIMIT, for instance max_int8_eer=0.002.")]


@app.command()
def parity(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="champion, champion@STUDY, a run id, or a model folder.")
    ],
    audio: AudioOption,
    output: Annotated[
        Path | None, typer.Option(help="Folder of its detector, exported if need be; default as for `export`.")
    ] = None,
    pruned: PrunedOption = None,
    gate: GateOption = None,
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="Eight bits on disk, float when it runs, see `quantise`.")
    ] = False,
    utterances: Annotated[int | None, typer.Option(min=2, help="Score at most so many; by default all.")] = None,
    evaluation: Annotated[
        bool, typer.Option("--eval", help="Score eval, which is locked, instead of dev: once all is decided.")
    ] = False,
    study: Annotated[str | None, typer.Option(help="The study whose champion is meant.")] = None,
    tracking_uri: TrackingUri = DEFAULT_URI,
) -> None:
    """Prove that a detector decides as its model did: float32, bf16, ONNX, eight bits, pruned, streamed, row by row.

    Leaves parity.html and parity.json in the detector's folder, and what it made in int8/ and pruned/. Exit status 1
    when a gate is not kept.
    """
    from deploy.parity.chain import ExportedModel
    from deploy.parity.run import Request, log_report
    from deploy.parity.run import parity as run
    from deploy.parity.table import print_report

    console = Console()
    request = Request(audio, pruned, "eval" if evaluation else "dev", utterances, weights_only, gates=parse_gates(gate))
    with console.status("exports, scores and times"):
        exported = ExportedModel.found_or_made(model, tracking_uri, study, output)
        report = run(exported, request, tracking_uri)
        files = report.write(exported.folder)
    log_report(report, files, tracking_uri)
    print_report(report, console)
    console.print(f"Report in {files[1]}", highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(int(not report.passed))


def parse_gates(texts: list[str] | None) -> "Gates":
    """Gates as NAME=LIMIT.

    Raises:
        SpoofsweepError: there is no such gate, or a limit is no number.
    """
    from cluster.settings import parse_settings
    from deploy.parity.gates import Gates

    pairs = [text.partition("=") for text in texts or ()]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise SpoofsweepError("--gate takes NAME=LIMIT", wrong[0], "write for instance --gate max_int8_eer=0.002")
    return parse_settings(Gates, {name: limit for name, _, limit in pairs}, "--gate")
