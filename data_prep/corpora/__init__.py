"""Corpus parsers: one file a layout, and the registry that finds them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.config import CorpusConfig, CorpusSource
from data_prep.corpora import (
    add2023,
    asvspoof5,
    asvspoof2015,
    asvspoof2017,
    asvspoof2019,
    asvspoof2021,
    fake_or_real,
    folders,
    in_the_wild,
    manifest,
    mlaad,
    wavefake,
)
from data_prep.corpora.combination import combine
from data_prep.corpora.layout import Layout
from data_prep.corpora.selection import divide, limit, map_splits
from data_prep.remote_files import STORE_REMEDY, expand_path, inside_archive, store_errors
from data_prep.utterance import SPLITS, Corpus, Split

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        asvspoof2015.LAYOUT,
        asvspoof2017.LAYOUT,
        asvspoof2019.LA,
        asvspoof2019.PA,
        asvspoof2021.LA,
        asvspoof2021.DF,
        asvspoof2021.PA,
        asvspoof5.LAYOUT,
        in_the_wild.LAYOUT,
        fake_or_real.LAYOUT,
        wavefake.LAYOUT,
        mlaad.LAYOUT,
        add2023.LAYOUT,
        folders.LAYOUT,
        manifest.LAYOUT,
    )
}


def read_corpus(config: CorpusConfig, base: Path, seed: int) -> Corpus:
    """The utterances that ``config`` asks for; relative roots start at ``base``.

    Args:
        seed: decides how corpora are divided and thinned out (``PrepConfig.seed`` of the study).

    Raises:
        SpoofsweepError: a root or a protocol is missing, protocol lines are malformed (all are named together), or a
            corpus cannot be divided as asked.
    """
    with _collector_paused():
        corpus = _read_source(config, base, seed, "corpus", config.allow_shared_speakers)
        if config.extra:
            extras = {
                extra.name: _read_source(extra, base, seed, f"corpus.extra {extra.name}", config.allow_shared_speakers)
                for extra in config.extra
            }
            corpus = combine(corpus, extras)
        return limit(corpus, config.max_utterances, seed)


def open_root(text: str, base: Path, remedy: str = "correct the path") -> Path:
    """The root of a corpus, which may be an archive; a relative one starts at ``base``.

    Args:
        remedy: what to do if it does not exist.

    Raises:
        SpoofsweepError: it does not exist, its store cannot be reached, an archive is cut, or a variable is not set.
    """
    root = inside_archive(expand_path(text, base))
    try:
        exists = root.exists()
    except store_errors() as error:
        raise SpoofsweepError("the store of the corpus must be reachable", f"{root} ({error})", STORE_REMEDY) from error
    if not exists:
        raise SpoofsweepError("the corpus root must exist", root, remedy)
    return root


def asv_score_files(source: CorpusSource, base: Path) -> dict[Split, Path]:
    """Scores of a speaker verification system that come with a corpus, by the split of the study that they are about.

    None where the study makes splits of its own of the corpus, as the scores are then about other utterances.

    Raises:
        SpoofsweepError: as `open_root`, and if the root holds no such corpus.
    """
    layout = LAYOUTS[source.layout]
    if not layout.asv_scores or source.divide is not None:
        return {}
    found = layout.asv_score_files(open_root(source.root, base))
    own_splits = source.splits or {split: (split,) for split in SPLITS}
    return {split: found[own[0]] for split, own in own_splits.items() if len(own) == 1 and own[0] in found}


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without walks over all live objects, of which a corpus makes millions: they would double the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read_source(source: CorpusSource, base: Path, seed: int, where: str, allow_shared: bool) -> Corpus:
    root = open_root(source.root, base, f"correct root of [{where}] in the study file")
    corpus = LAYOUTS[source.layout].read(root, source.subset)
    if source.splits is not None:
        return map_splits(corpus, source.splits)
    if source.divide is not None:
        return divide(corpus, source.divide, seed, where, allow_shared)
    return corpus
