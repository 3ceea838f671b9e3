"""Commands of this room; the root program mounts them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

app = typer.Typer(no_args_is_help=True)
corpus = typer.Typer(no_args_is_help=True, help="What corpora can be read, and what one holds.")
app.add_typer(corpus, name="corpus")
# The commands import what they need: torch alone takes seconds, and `--help` must not.


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Audio file, or folder searched for audio files.")],
    output: Annotated[Path, typer.Argument(help="Folder that receives the same tree as 16 kHz mono FLAC.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Files converted at a time; by default one a core.")
    ] = None,
) -> None:
    """Convert MP3 and other audio to FLAC; run it again to go on after an interruption."""
    from data_prep import display
    from data_prep.conversion import find_audio, require_apart
    from data_prep.conversion_ledger import LEDGER
    from data_prep.corpus_conversion import convert_visibly

    console = Console()
    source, folder = source.absolute(), output.absolute()
    files = find_audio(source)
    require_apart(source, folder)
    root = source if source.is_dir() else source.parent
    outcomes = list(convert_visibly(files, root, folder, console, console.is_terminal, workers))
    display.print_conversion(console, outcomes, output / LEDGER)
    if any(outcome.entry.reason for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def shards(folder: Annotated[str, typer.Argument(help="Folder or URI of a shard set.")]) -> None:
    """Show what a shard set holds."""
    from data_prep import display
    from data_prep.remote_files import to_path
    from data_prep.shards import ShardSet

    console = Console()
    shard_set = ShardSet.open(to_path(folder))
    manifest = shard_set.manifest
    console.print(display.shard_table(shard_set))
    console.print(f"features: {manifest.features!r}", highlight=False)
    console.print(f"augmentation: {manifest.augmentation!r}, seed {manifest.seed}", highlight=False)
    console.print(f"corpus: {manifest.layout} {manifest.corpus_identity[:16]}", highlight=False)
    display.print_rejected(console, shard_set)


@corpus.command("list")
def list_layouts() -> None:
    """Show the corpora that can be read, how they lie on disk, and what the complete ones hold."""
    from data_prep import display
    from data_prep.corpora import LAYOUTS

    Console().print(display.layouts_table(LAYOUTS.values()))


@corpus.command()
def inspect(
    root: Annotated[str, typer.Argument(help="Folder of the corpus, or manifest.")],
    layout: Annotated[str | None, typer.Option(help="See `corpus list`; by default it is recognised.")] = None,
    subset: Annotated[str | None, typer.Option(help="Part of a corpus that has several.")] = None,
) -> None:
    """Show what a corpus holds, and what is wrong with it; exit status 1 if there are errors."""
    from cluster.settings import parse_settings
    from data_prep import display
    from data_prep.config import CorpusConfig
    from data_prep.corpora import open_root, read_corpus
    from data_prep.corpora.recognition import recognise
    from data_prep.validation import class_faults, examine

    console = Console()
    place = open_root(root, Path.cwd())
    name = layout or recognise(place).name
    values = {"layout": name, "root": root, "subset": subset}
    found = read_corpus(parse_settings(CorpusConfig, values, "corpus"), Path.cwd(), seed=0)  # nothing is drawn
    report = examine(found)
    console.print(f"{name} in {found.root}", highlight=False, soft_wrap=True)
    console.print(display.counts_table(report.counts))
    for line in (display.speakers_line(report.usable), *report.notes):
        console.print(line, highlight=False)
    if faults := class_faults(report.usable):
        console.print(f"alone it cannot carry a study: {'; '.join(faults)}", highlight=False)
    display.print_warnings(console, report.warnings)
    for error in report.errors:
        console.print(f"[red]error:[/] {escape(error)}", highlight=False)
    if report.errors:
        raise typer.Exit(1)
    console.print("no errors")
