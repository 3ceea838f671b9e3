"""Corpus parsers: one file a layout, and the registry that finds them."""

import os
from collections.abc import Callable
from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.config import CorpusConfig
from data_prep.corpora import asvspoof5, asvspoof2019, csv_manifest
from data_prep.remote_files import STORE_REMEDY, inside_archive, is_uri, store_errors, to_path
from data_prep.utterance import Corpus

PARSERS: dict[str, Callable[[Path], Corpus]] = {
    "asvspoof2019-la": asvspoof2019.read_la,
    "asvspoof2019-pa": asvspoof2019.read_pa,
    "asvspoof5": asvspoof5.read,
    "csv": csv_manifest.read,
}


def read_corpus(config: CorpusConfig, base: Path) -> Corpus:
    """Parse the corpus that ``config`` names; a relative root starts at ``base``.

    Raises:
        SpoofsweepError: the root or a protocol is missing, or protocol lines are malformed (all are named together).
    """
    root = inside_archive(expand_path(config.root, base))
    if not _exists(root):
        raise SpoofsweepError("the corpus root must exist", root, "correct corpus.root in the study file")
    return PARSERS[config.layout](root)


def _exists(root: Path) -> bool:
    try:
        return root.exists()
    except store_errors() as error:
        raise SpoofsweepError("the store of the corpus must be reachable", f"{root} ({error})", STORE_REMEDY) from error


def expand_path(text: str, base: Path) -> Path:
    """``text`` with ``~``, ``$VAR`` and ``${VAR}`` expanded, absolute, relative to ``base``; a URI as a ``UPath``.

    Raises:
        SpoofsweepError: a variable is not set, or the URI's protocol is not to be had.
    """
    expanded = os.path.expanduser(os.path.expandvars(text))
    if "$" in expanded:
        raise SpoofsweepError("every variable in a path must be set", text, "export the variable or write the path out")
    return to_path(expanded) if is_uri(expanded) else Path(os.path.abspath(base / expanded))
