"""The conversion step of preparation: whatever in a corpus is not FLAC."""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from data_prep import display
from data_prep.config import CorpusConfig
from data_prep.conversion import convert_files, is_flac
from data_prep.plan import Conversions
from data_prep.utterance import Corpus, Utterance


def convert_corpus(
    corpus: Corpus, utterances: Sequence[Utterance], config: CorpusConfig, output: Path, console: Console, visible: bool
) -> Conversions:
    """Convert what is not FLAC by content to ``output/converted/<corpus id>``; nothing unless ``config.convert``.

    Raises:
        SpoofsweepError: the disk is full, or no ffmpeg is at hand.
    """
    sources = [u.path for u in utterances if not is_flac(u.path)] if config.convert else []
    if not sources:
        return Conversions({}, {})
    folder = output / "converted" / corpus.identity[:16]
    # A manifest may name files beside its own folder, so the common parent is what targets are relative to.
    root = Path(os.path.commonpath([corpus.root, *(path.parent for path in sources)]))
    converted: dict[Path, Path] = {}
    failed: dict[Path, str] = {}
    with display.prep_progress(console, visible) as bar:
        task = bar.add_task("converting", total=len(sources), audio_s=0.0)
        for outcome in convert_files(sources, root, folder, os.cpu_count() or 1):
            entry = outcome.entry
            if entry.reason:
                failed[root / entry.source] = entry.reason
            else:
                converted[root / entry.source] = folder / entry.target
            bar.advance(task)
    return Conversions(converted, failed)
