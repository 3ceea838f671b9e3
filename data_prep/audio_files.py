"""Which files are audio, by their suffix, and where they lie."""

from collections.abc import Collection, Iterator
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
    return list(audio_below(folder, suffixes)) if folder.is_dir() else []


def audio_below(folder: Path, suffixes: Collection[str] = AUDIO_SUFFIXES) -> Iterator[Path]:
    """The same, for any folder, also in an archive or an object store."""
    for path in sorted(folder.iterdir()):
        # Audio is told by its name, since asking about each of a million files takes long.
        if path.suffix.lower() in suffixes:
            yield path
        elif path.is_dir():
            yield from audio_below(path, suffixes)
