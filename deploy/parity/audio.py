"""The utterances that a parity report scores: raw audio of a corpus, decoded once.

Array names carry shapes: T samples.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from data_prep.config import CorpusConfig
from data_prep.corpora import open_root, read_corpus
from data_prep.corpora.recognition import recognise
from data_prep.corpora.selection import limit
from data_prep.decode_error import DecodeError
from data_prep.decoding import decode
from data_prep.utterance import Corpus
from deploy.stream.samples import Wave
from trainable.checkpoint import ModelRecord
from trainable.hold_out import hold_out

_COLUMNS = ("utterance_id", "corpus", "split", "speaker", "attack", "label", "path")
_FEWEST = 4
"""Pieces of training audio to quantise with."""


@dataclass(frozen=True)
class ParityAudio:
    """The utterances of a corpus, divided as the model's training divided them."""

    corpus: Corpus
    config: CorpusConfig
    record: ModelRecord
    shortest_s: float
    """Shorter files cannot be scored by every form."""
    rejected: dict[str, str] = field(default_factory=dict)
    """Reasons by utterance, as they are found."""

    @classmethod
    def open(cls, path: Path, record: ModelRecord, shortest_s: float) -> "ParityAudio":
        """Read the protocols of a corpus.

        Args:
            path: its folder, in any layout that is recognised, or the study file that describes it.

        Raises:
            SpoofsweepError: there is no such corpus.
        """
        config, base, seed = _corpus_of(path)
        corpus = read_corpus(config, base, seed)
        return cls(corpus, config, record, max(shortest_s, config.min_duration_s))

    def utterances(self, split: Literal["dev", "eval"], most: int | None) -> pd.DataFrame:
        """Those of a split, with the attacks held out that training held out.

        Args:
            most: at most so many, drawn so that classes and attacks keep their shares; none takes all.
        """
        corpus = self.corpus if most is None else limit(self.corpus, {split: most}, seed=0)
        divided = hold_out(_frame(corpus), self.record.held_out)
        return divided[divided["split"] == split].reset_index(drop=True)

    def waves(self, utterances: pd.DataFrame) -> Iterator[tuple[int, Wave]]:
        """Place and wave ``[num_samples]`` of the utterances that can be decoded, at the model's sampling rate."""
        for place, (name, path) in enumerate(zip(utterances["utterance_id"], utterances["path"], strict=True)):
            try:
                yield place, self._decoded(path)
            except (DecodeError, FileNotFoundError) as error:
                self.rejected[name] = "no such file" if isinstance(error, FileNotFoundError) else str(error)

    def training_waves(self, count: int) -> list[Wave]:
        """Training audio to quantise with, drawn at random but always alike; none where the corpus has too little."""
        frame = hold_out(_frame(self.corpus), self.record.held_out)
        paths = sorted(frame.loc[frame["split"] == "train", "path"], key=str)
        waves: list[Wave] = []
        for place in np.random.default_rng(0).permutation(len(paths)):
            if len(waves) == count:
                break
            try:
                waves.append(self._decoded(paths[place]))
            except (DecodeError, FileNotFoundError):  # `prep` has told of it, and another file does as well
                continue
        return waves if len(waves) >= _FEWEST else []

    def _decoded(self, path: Path) -> Wave:
        rate, longest_s = self.record.features.sample_rate, self.config.max_duration_s
        return decode(path, rate, min_duration_s=self.shortest_s, max_duration_s=longest_s)


def _corpus_of(path: Path) -> tuple[CorpusConfig, Path, int]:
    """Settings, where relative roots start, and the seed that divides it.

    A study file belongs to the search; its table [corpus] is the preparation's, and no more of it is read here.
    """
    if path.suffix != ".toml":
        root = open_root(str(path), Path.cwd(), "give a folder of a corpus, or a study file")
        found = {"layout": recognise(root).name, "root": str(path)}
        return CorpusConfig.model_validate(found), Path.cwd(), 0
    try:
        study = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SpoofsweepError("a study file must be readable TOML", f"{path} ({error})") from error
    if "corpus" not in study:
        raise SpoofsweepError("a study file must have a table [corpus]", path)
    config = parse_settings(CorpusConfig, study["corpus"], f"{path}, [corpus]")
    return config, path.parent, int(study.get("study", {}).get("seed", 1))


def _frame(corpus: Corpus) -> pd.DataFrame:
    """Utterances as the shards' index has them, once each."""
    rows = [[getattr(utterance, name) for name in _COLUMNS] for utterance in corpus.utterances]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).drop_duplicates("utterance_id", ignore_index=True)
