"""Commands of this room; the root program mounts them."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(no_args_is_help=True)
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
    from data_prep.conversion import convert_files, find_audio, reasons
    from data_prep.conversion_ledger import LEDGER, LedgerEntry

    console = Console()
    files = find_audio(source)
    root = source if source.is_dir() else source.parent
    entries: dict[str, LedgerEntry] = {}
    with display.prep_progress(console, console.is_terminal) as bar:
        task = bar.add_task("converting", total=len(files), audio_s=0.0)
        for entry in convert_files(
            [file.absolute() for file in files], root.absolute(), output.absolute(), workers or os.cpu_count() or 1
        ):
            entries[entry.source] = entry
            bar.advance(task)
    failed = reasons(entries)
    console.print(f"{len(files) - len(failed)} of {len(files)} files converted; all outcomes in {output / LEDGER}")
    display.print_warnings(console, (f"{name}: {reason}" for name, reason in sorted(failed.items())))
    if failed:
        raise typer.Exit(1)


@app.command()
def corpus(
    root: Annotated[str, typer.Argument(help="Folder of the corpus, or CSV manifest.")],
    layout: Annotated[
        str, typer.Option(help="asvspoof2019-la, asvspoof2019-pa, asvspoof5 or csv.")
    ] = "asvspoof2019-la",
    allow_shared_speakers: Annotated[bool, typer.Option(help="Accept speakers that stand in several splits.")] = False,
) -> None:
    """Check a corpus: counts, duplicates, missing files, splits, speakers and attacks."""
    from cluster.settings import parse_settings
    from data_prep import display
    from data_prep.config import CorpusConfig
    from data_prep.corpora import read_corpus
    from data_prep.validation import validate

    console = Console()
    values = {"layout": layout, "root": root, "allow_shared_speakers": allow_shared_speakers}
    config = parse_settings(CorpusConfig, values, "corpus")
    report = validate(read_corpus(config, Path.cwd()), config)
    console.print(display.counts_table(report.counts))
    for note in report.notes:
        console.print(note, highlight=False)
    display.print_warnings(console, report.warnings)
    report.check()
    console.print("no errors")


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
