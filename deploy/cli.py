"""The command that scores audio files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write_text
from data_prep.audio_files import DECODABLE_SUFFIXES, audio_files_below
from deploy import compress_cli, export_cli
from deploy.mobile import cli as mobile_cli
from deploy.options import TrackingUri
from deploy.tracking_store import DEFAULT_URI

app = typer.Typer()
app.add_typer(compress_cli.app)
app.add_typer(export_cli.app)
app.add_typer(mobile_cli.app)


@app.command()
def detect(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE|DIR...", help="Audio files; folders are searched.")],
    model: Annotated[
        str, typer.Option(help="champion, champion@STUDY, a run id, or a model folder.", show_default=True)
    ] = "champion",
    study: Annotated[str | None, typer.Option(help="The study whose champion is meant.")] = None,
    tracking_uri: TrackingUri = DEFAULT_URI,
    threshold: Annotated[
        float | None, typer.Option(help="Scores above it are bona fide; else the validation set's EER point.")
    ] = None,
    windows: Annotated[bool, typer.Option("--windows", help="Show each window's score and the running mean.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write CSV to this file; '-' prints it.")] = None,
) -> None:
    """Say of audio files whether the speech is bona fide or spoofed.

    Exit status: 0 when every file was scored, 1 when any could not be read.
    """
    from deploy.models import resolve
    from deploy.torch_detector import TorchDetector
    from deploy.verdicts import Verdict, print_table, to_csv, to_json

    files = find_audio(paths)
    target = None if csv is None or str(csv) == "-" else csv
    if target:
        make_folder_of(target)
    detector = TorchDetector.load(resolve(model, tracking_uri, study), threshold)
    errors = Console(stderr=True)
    bar = track(files, "scoring", console=errors, transient=True, disable=not errors.is_terminal or len(files) == 1)
    verdicts = [Verdict.of(detector, path) for path in bar]
    if target:
        atomic_write_text(target, to_csv(verdicts))
    if json:
        print(to_json(verdicts, windows))
    elif csv and not target:
        print(to_csv(verdicts), end="")
    else:
        print_table(verdicts, windows, Console())
    if any(verdict.error for verdict in verdicts):
        raise typer.Exit(1)


def find_audio(paths: list[Path]) -> list[Path]:
    """The given files, and those below the given folders that need no conversion, in order and once each.

    Raises:
        SpoofsweepError: a path does not exist, or there is no audio at all.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise SpoofsweepError("every path must exist", path)
        files += audio_files_below(path, DECODABLE_SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise SpoofsweepError("there must be audio to score", f"none below {', '.join(map(str, paths))}")
    return list(dict.fromkeys(files))


def make_folder_of(file: Path) -> None:
    """Make the folder that ``file`` goes to, before the work rather than after it.

    Raises:
        SpoofsweepError: it cannot be made, or ``file`` is itself a folder.
    """
    if file.is_dir():
        raise SpoofsweepError("--csv must name a file", f"{file}, a folder", "add the file's name")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpoofsweepError(
            "the folder of the CSV file must exist, or be one that can be made",
            f"{file.parent} ({error.strerror})",
            "give another path as --csv",
        ) from error
