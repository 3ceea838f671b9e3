"""Audio files of a corpus: of some folders by utterance id, or all that lie below a folder."""

from collections.abc import Iterable
from pathlib import Path

from data_prep.audio_files import AUDIO_SUFFIXES

_RANKS = {suffix: rank for rank, suffix in enumerate(AUDIO_SUFFIXES)}


class AudioFolder:
    """The audio files of one or several folders by utterance id; each is listed once, not asked for every utterance."""

    def __init__(self, *folders: Path) -> None:
        self._folder = folders[0]
        self._found: dict[str, tuple[int, str, Path]] = {}
        for folder in folders:
            for file in folder.iterdir() if folder.is_dir() else ():
                name = file.name
                stem, suffix = split_name(name)
                rank = _RANKS.get(suffix)
                if rank is not None and (stem not in self._found or (rank, name) < self._found[stem][:2]):
                    self._found[stem] = rank, name, file

    def path(self, utterance_id: str, suffix: str = ".flac") -> Path:
        """Path of the utterance under ``.flac`` or else another suffix; where it is missing, under ``suffix``."""
        found = self._found.get(utterance_id)
        return found[2] if found else self._folder / f"{utterance_id}{suffix}"

    def named(self, file: str) -> tuple[str, Path]:
        """The utterance id that stands in the name of a file, which may come with its suffix, and the path."""
        utterance_id, suffix = split_name(file)
        return utterance_id, self.path(utterance_id, suffix or ".flac")


def split_name(name: str) -> tuple[str, str]:
    """A file's name without its suffix, and the suffix in lower case."""
    stem, _, suffix = name.rpartition(".")
    return (stem, f".{suffix.lower()}") if stem else (name, "")


def subfolders(folder: Path) -> list[Path]:
    """The folders in ``folder``, sorted; none if it is a file or missing."""
    if not folder.is_dir():
        return []
    # Audio files are passed over by their names, since asking about each of a million takes long.
    return sorted(child for child in folder.iterdir() if split_name(child.name)[1] not in _RANKS and child.is_dir())


def existing(folders: Iterable[Path]) -> list[Path]:
    """Those of ``folders`` that exist."""
    return [folder for folder in folders if folder.is_dir()]
