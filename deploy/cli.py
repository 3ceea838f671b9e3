"""The command that scores audio: files, raw samples on standard input, or a microphone."""

import os
import sys
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.progress import track

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write_text
from data_prep.audio_files import DECODABLE_SUFFIXES, audio_files_below
from deploy.compress import cli as compress_cli
from deploy.detector_folder import find_exported
from deploy.export import cli as export_cli
from deploy.mobile import cli as mobile_cli
from deploy.options import TrackingUri
from deploy.parity import cli as parity_cli
from deploy.server.command import serve
from deploy.stream.live_options import LiveOptions, SampleFormat
from deploy.tracking_store import DEFAULT_URI

if TYPE_CHECKING:
    from deploy.verdicts import FileDetector

app = typer.Typer()
app.add_typer(compress_cli.app)
app.add_typer(export_cli.app)
app.add_typer(parity_cli.app)
app.add_typer(mobile_cli.app)
app.command()(serve)

STANDARD_INPUT = STANDARD_OUTPUT = Path("-")
LIVE = "Options of live audio"


@app.command()
def detect(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE|DIR...|-", help="Audio files; folders are searched; - is raw standard input."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(help="champion, champion@STUDY, a run id, a model folder; an exported .onnx file or its folder."),
    ] = "champion",
    study: Annotated[str | None, typer.Option(help="The study whose champion is meant.")] = None,
    tracking_uri: TrackingUri = DEFAULT_URI,
    threshold: Annotated[
        float | None, typer.Option(help="Scores above it are bona fide; else the validation set's EER point.")
    ] = None,
    windows: Annotated[bool, typer.Option("--windows", help="Show each window's score and the running mean.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON; of live audio, a line of it each time.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write CSV to this file; '-' prints it.")] = None,
    microphone: Annotated[
        bool, typer.Option("--microphone", help="Listen to the microphone.", rich_help_panel=LIVE)
    ] = False,
    sample_rate: Annotated[
        int | None, typer.Option(help="Hz of what comes; by default the model's.", rich_help_panel=LIVE)
    ] = None,
    sample_format: Annotated[
        SampleFormat, typer.Option("--format", help="Of mono samples on standard input.", rich_help_panel=LIVE)
    ] = SampleFormat.S16LE,
    every: Annotated[
        float, typer.Option(min=0.0, help="Seconds between lines; 0 prints all scores.", rich_help_panel=LIVE)
    ] = 1.0,
    half_life: Annotated[
        float | None, typer.Option(help="Seconds after which a score weighs half.", rich_help_panel=LIVE)
    ] = None,
    sliding: Annotated[
        float | None,
        typer.Option(help="Decide by the last so many seconds; the lowest are told.", rich_help_panel=LIVE),
    ] = None,
    speech_only: Annotated[
        bool, typer.Option("--speech-only", help="Leave out what is no speech.", rich_help_panel=LIVE)
    ] = False,
    warm_up: Annotated[
        float, typer.Option(min=0.0, help="Seconds (of speech) before the first verdict.", rich_help_panel=LIVE)
    ] = 0.0,
) -> None:
    """Say of audio files, or of audio as it arrives, whether the speech is bona fide or spoofed.

    Exit status: 0 when every file was scored, or live audio had its verdict, else 1.
    """
    live = LiveOptions(microphone, sample_rate, sample_format, every, half_life, sliding, speech_only, warm_up)
    if microphone or paths == [STANDARD_INPUT]:
        if windows or csv or (microphone and paths):
            raise SpoofsweepError("live audio goes alone, without --windows and --csv", remedy="leave them out")
        raise typer.Exit(_detect_live(model, threshold, live, json))
    if live != LiveOptions():
        raise SpoofsweepError("options of live audio go with - or --microphone", remedy="see detect --help")
    files = find_audio(paths or [])
    if csv and csv != STANDARD_OUTPUT:
        make_folder_of(csv)
    raise typer.Exit(_detect_files(_file_detector(model, threshold, tracking_uri, study), files, windows, json, csv))


def _detect_files(detector: "FileDetector", files: list[Path], windows: bool, json: bool, csv: Path | None) -> int:
    """Score and print; the exit status."""
    from deploy.verdicts import Verdict, print_table, to_csv, to_json

    errors = Console(stderr=True)
    bar = track(files, "scoring", console=errors, transient=True, disable=not errors.is_terminal or len(files) == 1)
    verdicts = [Verdict.of(detector, path) for path in bar]
    is_printed = csv == STANDARD_OUTPUT
    if csv and not is_printed:
        atomic_write_text(csv, to_csv(verdicts))
    if json:
        print(to_json(verdicts, windows))
    elif is_printed:
        print(to_csv(verdicts), end="")
    else:
        print_table(verdicts, windows, Console())
    return int(any(verdict.error for verdict in verdicts))


def _file_detector(model: str, threshold: float | None, tracking_uri: str, study: str | None) -> "FileDetector":
    exported = find_exported(model, preferred="utterance")
    if exported is not None:
        from deploy.stream.detector import Detector

        return Detector.load(exported, threshold)
    from deploy.models import resolve
    from deploy.torch_detector import TorchDetector

    return TorchDetector.load(resolve(model, tracking_uri, study), threshold)


def _detect_live(model: str, threshold: float | None, options: LiveOptions, as_json: bool) -> int:
    """Listen and print; the exit status."""
    exported = find_exported(model, preferred="stream")
    if exported is None:
        raise SpoofsweepError(
            "live audio needs an exported detector", model, "run `spoofsweep export` and give its folder as --model"
        )
    from deploy.stream.detector import Detector
    from deploy.stream.listening import listen

    source = cast(BufferedReader, sys.stdin.buffer)
    try:
        return int(listen(Detector.load(exported, threshold), options, source, as_json).label is None)
    except BrokenPipeError:
        # Whoever read has enough; Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


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
