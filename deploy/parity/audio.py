"""The utterances that a parity report scores: raw audio of a corpus, decoded once.

Array names carry shapes: T samples.
"""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
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
from data_prep.utterance import LABELS, Corpus, Utterance
from deploy.stream.samples import Wave
from trainable.checkpoints.checkpoint import ModelRecord
from trainable.data.hold_out import hold_out

_COLUMNS = ("utterance_id", "corpus", "split", "speaker", "attack", "label", "path")
_FEWEST = 4
"""Pieces of training audio to quantise with."""


@dataclass(frozen=True)
class ParityAudio:
    """The utterances of a corpus, divided as the model's training divided them."""

    corpus: Corpus
    """As it was read."""
    config: CorpusConfig
    record: ModelRecord
    shortest_s: float
    """Shorter files cannot be scored by every form."""

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

        Raises:
            SpoofsweepError: a class has none.
        """
        corpus = self._divided if most is None else limit(self._divided, {split: most}, seed=0)
        found = _frame(utterance for utterance in corpus.utterances if utterance.split == split)
        if missing := [label for label in LABELS if label not in set(found["label"])]:
            raise SpoofsweepError(
                f"a report is about bona fide and spoofed utterances of {split}",
                f"none that are {' or '.join(missing)}",
                "give another corpus, or more --utterances",
            )
        return found

    def waves(self, utterances: pd.DataFrame) -> Iterator[Wave | str]:
        """The wave ``[num_samples]`` of each utterance at the model's sampling rate, or the reason why it has none."""
        rate, longest_s = self.record.features.sample_rate, self.config.max_duration_s
        for path in utterances["path"]:
            try:
                yield decode(path, rate, min_duration_s=self.shortest_s, max_duration_s=longest_s)
            except FileNotFoundError:
                yield "no such file"
            except DecodeError as error:
                yield str(error)

    def training_waves(self, count: int) -> list[Wave]:
        """Training audio to quantise with, drawn at random but always alike; none where the corpus has too little."""
        train = [utterance for utterance in self._divided.utterances if utterance.split == "train"]
        frame = _frame(sorted(train, key=lambda utterance: str(utterance.path)))
        drawn = self.waves(frame.iloc[np.random.default_rng(0).permutation(len(frame))])
        # Of what cannot be decoded `prep` has told, and another file does as well.
        waves = list(islice((wave_T for wave_T in drawn if not isinstance(wave_T, str)), count))
        return waves if len(waves) >= _FEWEST else []

    @cached_property
    def _divided(self) -> Corpus:
        """As training divided it, every utterance once."""
        first: dict[str, Utterance] = {}
        for utterance in self.corpus.utterances:
            first.setdefault(utterance.utterance_id, utterance)
        rows = hold_out(_frame(first.values()), self.record.held_out)
        placed = zip(rows["utterance_id"], rows["split"], strict=True)
        moved = (replace(first[name], split=split) for name, split in placed)
        return replace(self.corpus, utterances=tuple(moved))


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


def _frame(utterances: Iterable[Utterance]) -> pd.DataFrame:
    """Utterances as the shards' index has them."""
    rows = [[getattr(utterance, name) for name in _COLUMNS] for utterance in utterances]
    return pd.DataFrame(rows, columns=list(_COLUMNS))
