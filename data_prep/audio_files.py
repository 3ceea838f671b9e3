"""Which files are audio, by their suffix, and where they lie."""

import os
from collections.abc import Collection
from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.remote_files import is_remote

DECODABLE_SUFFIXES = (".flac", ".wav", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif", ".au")
"""What libsndfile decodes, without conversion.

In the order of preference: where a corpus holds an utterance twice, its FLAC file is meant.
"""
AUDIO_SUFFIXES = (*DECODABLE_SUFFIXES, ".m4a", ".aac", ".wma", ".amr", ".g722")
"""What conversion takes."""


def audio_files_below(folder: Path, suffixes: Collection[str] = AUDIO_SUFFIXES) -> list[Path]:
    """Files with one of ``suffixes`` (in lower case) in ``folder`` and below, sorted; links to folders are followed.

    Raises:
        SpoofsweepError: the folder is in an object store.
    """
    if is_remote(folder):
        raise SpoofsweepError("a folder searched for audio must be on disk", folder, "copy it from the store")
    # os.walk with followlinks, since rglob of Python 3.11 passes over linked folders
    found = [Path(parent, name) for parent, _, names in os.walk(folder, followlinks=True) for name in names]
    return sorted(path for path in found if path.suffix.lower() in suffixes)
