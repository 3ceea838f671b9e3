"""The command that scores audio files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from cluster.errors import SpoofsweepError

AUDIO_SUFFIXES = frozenset({".flac", ".wav", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au"})
"""What a directory is searched for: the formats that libsndfile decodes."""

app = typer.Typer()


@app.command()
def detect(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE|DIR...", help="Audio files; folders are searched.")],
    model: Annotated[
        str, typer.Option(help="champion, champion@STUDY, a run id, or a model folder.", show_default=True)
    ] = "champion",
    study: Annotated[str | None, typer.Option(help="The study whose champion is meant.")] = None,
    tracking_uri: Annotated[
        str, typer.Option(envvar=["SPOOFSWEEP_TRACKING_URI", "MLFLOW_TRACKING_URI"], help="MLflow server or database.")
    ] = "sqlite:///results/mlflow.db",
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
    from deploy.detector import Detector
    from deploy.models import resolve
    from deploy.verdicts import Verdict, print_table, to_csv, to_json

    files = find_audio(paths)
    detector = Detector.load(resolve(model, tracking_uri, study), threshold)
    errors = Console(stderr=True)
    bar = track(files, "scoring", console=errors, transient=True, disable=not errors.is_terminal or len(files) == 1)
    verdicts = [Verdict.of(detector, path) for path in bar]
    if csv and str(csv) != "-":
        csv.write_text(to_csv(verdicts))
    if json:
        print(to_json(verdicts, windows))
    elif csv and str(csv) == "-":
        print(to_csv(verdicts), end="")
    else:
        print_table(verdicts, windows, Console())
    if any(verdict.error for verdict in verdicts):
        raise typer.Exit(1)


def find_audio(paths: list[Path]) -> list[Path]:
    """The given files, and the audio files anywhere below the given folders, in order and once each.

    Raises:
        SpoofsweepError: a path does not exist, or there is no audio at all.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise SpoofsweepError("every path must exist", path)
        below = sorted(p for p in path.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
        files += below if path.is_dir() else [path]
    if not files:
        raise SpoofsweepError("there must be audio to score", f"none below {', '.join(map(str, paths))}")
    return list(dict.fromkeys(files))
