"""The ``spoofsweep`` program: the search's own commands, and those of the other rooms."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

import cluster.cli
import data_prep.cli
import deploy.cli
import search.launching.cluster_cli
import trainable.cli
from cluster.errors import SpoofsweepError
from cluster.uris import shown
from deploy.options import TrackingUri
from deploy.tracking_store import DEFAULT_URI
from search.missing_packages import missing_packages_told
from search.study.commands import DEFAULT_SHARDS
from search.study.options import AddressOption, StudyArgument, load_named

if TYPE_CHECKING:
    from search.study.study import Study

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Find the best audio-deepfake detector for a corpus and a compute budget.",
)


@app.command()
def check(study: StudyArgument) -> None:
    """Check a study file and its corpus, and show what a sweep would do."""
    _preview(load_named(study))


@app.command()
def plan(
    study: StudyArgument,
    seconds_per_pass: Annotated[
        float | None,
        typer.Option(min=1e-6, help="What a pass takes, validation included; by default measured here for 20 seconds."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trials at a time; by default what this machine has room for.")
    ] = None,
) -> None:
    """Show what a sweep would take: trials by rung, hours, cost, and where the study is too small for its rungs."""
    from search.planning.plan import make_plan
    from search.planning.plan_tables import print_plan

    console = Console()
    print_plan(make_plan(load_named(study), seconds_per_pass, workers, console), console)


@app.command()
def audit(
    study: StudyArgument,
    max_files: Annotated[
        int | None, typer.Option(min=1, help="Measure about so many files, drawn by the study's seed; by default all.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that measure; by default one a core.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Examine a study's corpus: what is wrong with it, and what a detector could learn from it beside speech."""
    from data_prep.audit.run import run_audit

    loaded = load_named(study)
    run_audit(
        loaded.prep,
        loaded.base,
        loaded.folder / "audit",
        study=loaded.name,
        seed=loaded.config.study.seed,
        workers=workers or os.cpu_count() or 1,
        max_files=max_files,
        as_json=as_json,
    )


@app.command()
def prep(study: StudyArgument) -> None:
    """Make the study's feature shards; an interrupted run goes on where it stopped."""
    from data_prep.prepare import prepare

    console = Console()
    loaded = load_named(study)
    cluster = loaded.config.cluster
    shards = prepare(loaded.prep, loaded.base, loaded.output, cluster=cluster, console=console, page=True)
    console.print(f"Shard set {shards.shard_set_id} is ready in {shards.folder}", highlight=False, soft_wrap=True)


@app.command()
def sweep(
    study: StudyArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done, as `check` does.")] = False,
    address: AddressOption = None,
) -> None:
    """Prepare the shards, search, retrain the finalists, register the champion.

    The same command goes on with an interrupted study, and extends a finished one after search.num_trials was raised.
    Exit status: 0 when the study has its champion, 1 when it stopped before (by Ctrl-C, or too many trials failed).
    """
    loaded = load_named(study).at(address)
    if dry_run:
        _preview(loaded)
        return
    from search.launch import launch

    if launch(loaded, Console()) is None:
        raise typer.Exit(1)


@app.command()
def pause(study: StudyArgument) -> None:
    """Let the trials of a running sweep leave at their next report, and begin none until `resume`."""
    _request(study, "pause")


@app.command()
def resume(study: StudyArgument) -> None:
    """Let a paused sweep go on."""
    _request(study, "resume")


@app.command()
def stop(study: StudyArgument) -> None:
    """End a running sweep as Ctrl-C does; `sweep` goes on with it later."""
    _request(study, "stop")


@app.command()
def status(study: StudyArgument) -> None:
    """Show how far a study is: trials by state, the best so far, the rungs and the compute saved."""
    from data_prep.display import print_warnings
    from search.launch import read_progress
    from search.ledger.leaderboard import rung_table, status_lines

    console = Console()
    progress = read_progress(load_named(study))
    print_warnings(console, progress.warnings)
    for line in (*status_lines(progress.summary), progress.about):
        console.print(escape(line), highlight=False)
    console.print(rung_table(progress.summary))


@app.command()
def leaderboard(
    study: StudyArgument,
    limit: Annotated[int, typer.Option(min=1, help="Trials shown.")] = 15,
) -> None:
    """Show a study's trials, best first, with what was searched."""
    from data_prep.display import print_warnings
    from search.launch import read_progress
    from search.ledger.leaderboard import leaderboard_table

    console = Console()
    progress = read_progress(load_named(study))
    print_warnings(console, progress.warnings)
    console.print(escape(progress.about), highlight=False)
    per_pass, summary = progress.horizon.samples_per_pass, progress.summary
    console.print(leaderboard_table(progress.trials, per_pass, limit, summary.objective, summary.second))


@app.command()
def ui(
    context: typer.Context,
    study: Annotated[
        str | None, typer.Argument(metavar="[STUDY]", help="Study whose tracking store is opened.")
    ] = None,
    tracking_uri: TrackingUri = DEFAULT_URI,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
) -> None:
    """Open the MLflow UI on the tracking store: compare runs, pick models."""
    from deploy.tracking_store import open_client

    source = context.get_parameter_source("tracking_uri")
    if study and source is not None and source.name == "COMMANDLINE":
        raise SpoofsweepError("a study has its own tracking store", "--tracking-uri too", "give one of the two")
    uri = load_named(study).tracking_uri if study else tracking_uri
    if uri.startswith("http"):
        print(f"The tracking server has its own page: {shown(uri)}")
        return
    open_client(uri)  # MLflow would make an empty database where there is none
    print(f"MLflow UI of {shown(uri)} at http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    arguments = ["-m", "mlflow", "ui", "--backend-store-uri", uri, "--port", str(port)]
    # Its runners of evaluation jobs, a dozen processes, have nothing to do here.
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.execv(sys.executable, [sys.executable, *arguments])


@app.command()
def reproduce(
    reference: Annotated[
        str, typer.Argument(metavar="RUN_ID|champion[@STUDY]", help="A trial's or finalist's run, or a champion.")
    ],
    tracking_uri: TrackingUri = DEFAULT_URI,
    shards: Annotated[str, typer.Option(help="Folder or URI of shard sets.")] = DEFAULT_SHARDS,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default the recorded one.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the model to this folder, for `detect --model`.")] = None,
) -> None:
    """Train a recorded run again on this machine and compare every report.

    Exit status: 0 for the same result or one within noise, 1 for a different one.
    """
    from data_prep.remote_files import to_path
    from search.reproduce import reproduce as run

    raise typer.Exit(run(reference, tracking_uri, to_path(shards), device, save, Console()).exit_status)


@app.command("spot-check")
def spot_check(
    study: StudyArgument,
    num_files: Annotated[int, typer.Option(min=1, help="Evaluation files drawn.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 1,
    model: Annotated[str | None, typer.Option(help="Model as for `detect`; by default the study's champion.")] = None,
) -> None:
    """Let a model judge evaluation files drawn by seed, with the truth beside its verdicts."""
    from deploy.models import resolve
    from search.spot_check import spot_check as run

    loaded = load_named(study)
    folder = resolve(model or f"champion@{loaded.name}", loaded.tracking_uri)
    run(loaded, folder, num_files, seed, Console())


app.add_typer(search.launching.cluster_cli.app)
for room in (data_prep, trainable, deploy, cluster):
    app.add_typer(room.cli.app)


def main() -> None:
    """Run the program; a user's mistake is one message on standard error and exit status 2."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        with missing_packages_told():
            app()
    except SpoofsweepError as error:
        Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "bold red"), str(error)), highlight=False)
        raise SystemExit(2) from error


def _request(reference: str, name: str) -> None:
    from search.sweep.control import Request, send

    study = load_named(reference)
    send(study, Request(name))
    print(f"The sweep of {study.name} is told to {name}.")


def _preview(study: "Study") -> None:
    from search.planning.preview import preview
    from search.planning.preview_tables import print_preview

    print_preview(preview(study), Console())
