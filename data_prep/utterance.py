"""One utterance of a corpus, and the corpus as its parser found it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from data_prep.remote_files import file_sizes, relative_name

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
    def sizes(self) -> dict[Path, int]:
        """Bytes of the audio files that are there."""
        return file_sizes([utterance.path for utterance in self.utterances])

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
            name = relative_name(path, self.root) or path.name
            digest.update(f"{utterance.utterance_id}\0{name}\0{self.sizes.get(path, -1)}\n".encode())
        return digest.hexdigest()
