"""One utterance of a corpus, and the corpus as its parser found it."""

import hashlib
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
UNKNOWN_ATTACK = "unknown"
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
    """Name of the spoofing attack; ``-`` for bona fide, ``unknown`` where the corpus does not tell."""
    label: Label
    channel: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the protocol tells about codec, environment and the like."""
    corpus: str = ""
    """Name of the corpus that it came from; empty for a study's only corpus."""


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


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
