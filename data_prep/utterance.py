"""One utterance of a corpus, and the corpus as its parser found it."""

import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

Split = Literal["train", "dev", "eval"]
Label = Literal["bonafide", "spoof"]
SPLITS: tuple[Split, ...] = get_args(Split)
LABELS: tuple[Label, ...] = get_args(Label)
NO_ATTACK = "-"
UNKNOWN_SPEAKER = "-"


@dataclass(frozen=True)
class Utterance:
    """One line of a protocol."""

    utterance_id: str
    path: Path
    """Absolute path of the audio file, which may be missing."""
    split: Split
    speaker: str
    """``-`` where the corpus does not tell."""
    attack: str
    """Name of the spoofing attack; ``-`` for bona fide."""
    label: Label
    channel: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the protocol tells about codec, environment and the like."""


@dataclass(frozen=True)
class Corpus:
    """Everything a parser read; nothing is checked beyond the syntax (see ``validation``)."""

    layout: str
    root: Path
    """The folder in which the corpus was found."""
    utterances: tuple[Utterance, ...]
    """In protocol order, duplicates and missing files included."""
    protocol_files: tuple[Path, ...]

    @cached_property
    def identity(self) -> str:
        """Hex SHA-256 over layout, protocol contents, utterance ids, relative paths and file sizes.

        The place of the corpus on disk does not enter, so that a copy elsewhere is the same corpus.
        """
        digest = hashlib.sha256(self.layout.encode())
        for protocol in self.protocol_files:
            digest.update(b"\0" + protocol.name.encode() + b"\0" + hashlib.sha256(protocol.read_bytes()).digest())
        for utterance in self.utterances:
            path = utterance.path
            relative = path.relative_to(self.root) if path.is_relative_to(self.root) else path.name
            digest.update(f"{utterance.utterance_id}\0{relative}\0{_size(path)}\n".encode())
        return digest.hexdigest()


_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES}
"""What a path means that leads to no file, or to none that may be seen."""


def is_file(path: Path) -> bool:
    """Whether ``path`` leads to a file that may be seen."""
    status = _status(path)
    return status is not None and stat.S_ISREG(status.st_mode)


def _size(path: Path) -> int:
    status = _status(path)
    return -1 if status is None else status.st_size


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        return None
