"""The conversion step of preparation: whatever in a corpus is not FLAC."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from data_prep.audio_format import is_flac
from data_prep.audio_stream import faults_told
from data_prep.config import CorpusConfig
from data_prep.conversion import Outcome, convert_files
from data_prep.conversion_ledger import Ledger, LedgerEntry
from data_prep.decode_error import DecodeError
from data_prep.plan import Conversions
from data_prep.utterance import Corpus, Utterance
from data_prep.work_progress import WorkProgress


def convert_corpus(
    corpus: Corpus, utterances: Sequence[Utterance], config: CorpusConfig, output: Path, console: Console, visible: bool
) -> Conversions:
    """Convert what is not FLAC by content to ``output/converted/<corpus id>``; nothing unless ``config.convert``.

    Raises:
        SpoofsweepError: the disk is full, or no ffmpeg is at hand.
    """
    sources = [u.path for u in utterances if not _is_kept(u.path)] if config.convert else []
    if not sources:
        return Conversions({}, {})
    root, folder = _root(corpus), _folder(corpus, output)
    outcomes = convert_visibly(sources, root, folder, console, visible)
    return _conversions((outcome.entry for outcome in outcomes), root, folder)


def known_conversions(corpus: Corpus, config: CorpusConfig, output: Path) -> Conversions:
    """What an earlier :func:`convert_corpus` made and could not make, as its ledger tells."""
    if not config.convert:
        return Conversions({}, {})
    folder = _folder(corpus, output)
    return _conversions(Ledger.open(folder).entries.values(), _root(corpus), folder)


def convert_visibly(
    sources: Sequence[Path], root: Path, folder: Path, console: Console, visible: bool, workers: int | None = None
) -> Iterator[Outcome]:
    """:func:`convert_files` with progress shown; by default with a worker for each core that this process may use."""
    workers = workers or _num_cores()
    with WorkProgress(console, len(sources), len(sources), visible=visible, task="converting") as progress:
        for outcome in convert_files(sources, root, folder, workers):
            progress.advance(1, 1, outcome.entry.duration_s)
            yield outcome


def _num_cores() -> int:
    # A batch system or a container may grant fewer cores than there are; macOS cannot tell.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_kept(path: Path) -> bool:
    try:
        with faults_told():
            return is_flac(path)
    except (DecodeError, FileNotFoundError):
        return False  # conversion will tell why


def _root(corpus: Corpus) -> Path:
    """What targets are relative to: a manifest may name files beside its own folder."""
    return Path(os.path.commonpath({corpus.root, *(utterance.path.parent for utterance in corpus.utterances)}))


def _folder(corpus: Corpus, output: Path) -> Path:
    return output / "converted" / corpus.identity[:16]


def _conversions(entries: Iterable[LedgerEntry], root: Path, folder: Path) -> Conversions:
    converted: dict[Path, Path] = {}
    failed: dict[Path, str] = {}
    for entry in entries:
        if entry.reason:
            failed[root / entry.source] = entry.reason
        else:
            converted[root / entry.source] = folder / entry.target
    return Conversions(converted, failed)
