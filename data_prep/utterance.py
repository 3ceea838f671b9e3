"""One utterance of a corpus, and a corpus: as its parser found it, or chosen and combined from several."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from data_prep.remote_files import file_sizes, relative_name

Split = Literal["train", "dev", "eval"]
Label = Literal["bonafide", "spoof"]
SPLITS: tuple[Split, ...] = get_args(Split)
LABELS: tuple[Label, ...] = get_args(Label)
NO_ATTACK = "-"
UNKNOWN_ATTACK = "unknown"
UNKNOWN_SPEAKER = "-"
Tally = Mapping[tuple[Split, Label], int]
"""Utterances by split and class."""


@dataclass(frozen=True, slots=True)
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

    @property
    def has_known_attack(self) -> bool:
        """Whether it is a spoof whose attack the corpus names."""
        return self.attack != NO_ATTACK and self.attack.rpartition("/")[2] != UNKNOWN_ATTACK


@dataclass(frozen=True)
class Corpus:
    """A set of utterances; nothing is checked beyond the syntax (see ``validation``)."""

    layout: str
    root: Path
    """The folder in which the corpus was found; of several, the main one's."""
    utterances: tuple[Utterance, ...]
    """In protocol order, duplicates and missing files included."""
    protocol_files: tuple[Path, ...]
    published: Tally | None = None
    """What the complete corpus holds, where that is known; none where it is not, or where ``parts`` tells."""
    name: str = ""
    """``Utterance.corpus`` of its utterances."""
    parts: tuple["Corpus", ...] = ()
    """The corpora that this one was chosen or combined from, without their utterances; empty if it is as published."""
    notes: tuple[str, ...] = ()
    """What is known about the completeness of ``parts``."""

    @cached_property
    def sizes(self) -> dict[Path, int]:
        """Bytes of the audio files that are there."""
        return file_sizes([utterance.path for utterance in self.utterances])

    @cached_property
    def identity(self) -> str:
        """Hex SHA-256 over layout, protocol contents, utterance ids, relative paths and file sizes; of a corpus with
        parts, over the layout and protocols of each part, and of each utterance its part and split too.

        The place of the corpus on disk does not enter, so that a copy elsewhere is the same corpus.
        """
        digest = hashlib.sha256(self.layout.encode())
        for corpus in self.parts or (self,):
            if self.parts:
                digest.update(f"\0{corpus.name}\0{corpus.layout}".encode())
            for protocol in corpus.protocol_files:
                digest.update(b"\0" + protocol.name.encode() + b"\0" + hashlib.sha256(protocol.read_bytes()).digest())
        for utterance in self.utterances:
            chosen = f"{utterance.corpus}\0{utterance.split}\0" if self.parts else ""
            name = relative_name(utterance.path, self._roots[utterance.corpus]) or utterance.path.name
            line = f"{chosen}{utterance.utterance_id}\0{name}\0{self.sizes.get(utterance.path, -1)}\n"
            digest.update(line.encode(errors="surrogateescape"))  # file names may hold any bytes
        return digest.hexdigest()

    def shown_path(self, utterance: Utterance) -> str:
        """The path of an utterance's file below the root of its corpus; the whole path if it lies elsewhere."""
        return relative_name(utterance.path, self._roots[utterance.corpus]) or str(utterance.path)

    def without_utterances(self) -> "Corpus":
        """All but the utterances, small enough to be sent around."""
        return replace(self, utterances=())

    @cached_property
    def _roots(self) -> dict[str, Path]:
        return {corpus.name: corpus.root for corpus in (self, *self.parts)}
