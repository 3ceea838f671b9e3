"""The command that makes a file for phones of a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from deploy.options import TrackingUri
from deploy.tracking_store import DEFAULT_URI

if TYPE_CHECKING:
    from deploy.mobile.conversion import MobileDetector

app = typer.Typer()


@app.command()
def mobile(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="champion, champion@STUDY, a run id, a model folder, or an export.")
    ] = "champion",
    to: Annotated[str, typer.Option(help="litert or executorch.")] = "litert",
    output: Annotated[
        Path | None, typer.Option(help="Folder; by default results/detectors/NAME-VERSION/FORMAT.")
    ] = None,
    chunk_ms: Annotated[
        float, typer.Option(min=1.0, max=10_000.0, help="Audio that a call takes, rounded to whole steps.")
    ] = 100.0,
    python: Annotated[
        Path | None, typer.Option(help="Interpreter of an environment that has the converter; else one is made.")
    ] = None,
    study: Annotated[str | None, typer.Option(help="The study whose champion is meant.")] = None,
    tracking_uri: TrackingUri = DEFAULT_URI,
) -> None:
    """Make a file for phones of a model that can follow a stream: samples and states in, scores and states out.

    The converter wants another PyTorch than training: it runs in an environment of its own, which the first conversion
    installs below $SPOOFSWEEP_CACHE (by default ~/.cache/spoofsweep). The file is held against the model first.
    """
    from deploy.mobile.conversion import convert_model, mobile_origin
    from deploy.mobile.environment import checked_python, environment_python
    from deploy.mobile.formats import find_format

    console, form = Console(), find_format(to)
    origin, card = mobile_origin(model, tracking_uri, chunk_ms, study)
    if python is None:
        python = environment_python(form, lambda text: console.print(text, highlight=False, markup=False))
    else:
        python = checked_python(form, python)
    with console.status(f"converting to {form.title}"):
        done = convert_model(form, python, origin, card, output)
    print_mobile(done, console)


def print_mobile(done: "MobileDetector", console: Console) -> None:
    """The file, how it was checked, and how to feed it."""
    from deploy.export.cli import file_table

    console.print(file_table((done.file,)))
    card = done.card
    states = ", ".join(f"{name} {[1, *shape]}" for name, shape in card.states.items())
    feeding = f"samples [1, {card.chunk_samples}] and the states {states}"
    console.print(
        f"A call takes {feeding}; decides at {card.threshold:+.3f}", highlight=False, soft_wrap=True, markup=False
    )
    console.print(f"Detector in {done.file.path}", highlight=False, soft_wrap=True, markup=False)
