"""Scores of a set of utterances, as the ASVspoof score files hold them: ``utterance attack key score`` on each line.

Where the utterances come from several corpora, each line has one field more, the name of its corpus. What else is known
of the utterances stands in a key file beside the scores: a table with a header, a line an utterance.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write_text

NO_CORPUS = "-"
"""Stands in a score file for a corpus without a name."""
SPEAKER = "speaker"
"""The group by which intervals are drawn."""
NOT_TOLD = "-"
"""Stands for what a corpus does not tell of an utterance."""
MOST_GROUPS = 60
"""Values of a fact that groups utterances; what has more, as durations do, is no grouping to look at."""
NO_GROUPS = {"utterance", "attack", "key", "corpus", "codec_seed", "attack_tag", "team", "-"}
"""Columns of keys that say what stands elsewhere, or nothing of the channel."""


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores ``[N]`` (higher is bona fide) with what they are about; all columns are aligned."""

    utterance_id: list[str]
    attack: NDArray[np.str_]
    label: NDArray[np.str_]
    corpus: NDArray[np.str_]
    """Empty throughout if there is only one."""
    score: NDArray[np.float64]
    groups: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    """What else is known, by name: ``speaker``, ``codec``..., each aligned with the scores; without white space."""

    @classmethod
    def of(cls, utterances: pd.DataFrame, score: NDArray[np.float64]) -> "ScoreTable":
        """From rows of the shards' index, and their scores in the same order.

        Args:
            utterances: columns utterance_id, corpus, attack and label; speaker and channel may be missing.
        """
        return cls(
            utterance_id=[str(name) for name in utterances["utterance_id"]],
            attack=utterances["attack"].to_numpy(str),
            label=utterances["label"].to_numpy(str),
            corpus=utterances["corpus"].to_numpy(str),
            score=score,
            groups=_groups(utterances),
        )

    @property
    def bonafide(self) -> NDArray[np.float64]:
        """Scores of the bona fide utterances."""
        return self.score[self.label == "bonafide"]

    @property
    def spoof(self) -> NDArray[np.float64]:
        """Scores of the spoofed utterances."""
        return self.score[self.label == "spoof"]

    def of_corpus(self, name: str) -> "ScoreTable":
        """The utterances of one corpus; all if there is only one."""
        chosen = (self.corpus == name) if any(self.corpus) else np.full(len(self.score), True)
        return ScoreTable(
            utterance_id=[name for name, is_chosen in zip(self.utterance_id, chosen, strict=True) if is_chosen],
            attack=self.attack[chosen],
            label=self.label[chosen],
            corpus=self.corpus[chosen],
            score=self.score[chosen],
            groups={name: values[chosen] for name, values in self.groups.items()},
        )

    def write(self, path: Path) -> None:
        """Write as a score file; reading it gives the same numbers back.

        Raises:
            SpoofsweepError: an utterance, attack or corpus has white space in its name, which separates the columns.
        """
        scores = [repr(float(score)) for score in self.score]
        named = [self.utterance_id, self.attack.tolist(), self.label.tolist()]
        _write_columns(path, [*named, scores, *self._corpora.values()])

    def write_keys(self, path: Path) -> None:
        """Write all but the scores as a key file with a header; read with it, the score file gives the groups back.

        Raises:
            SpoofsweepError: as `write`.
        """
        named = {"utterance": self.utterance_id, "attack": self.attack.tolist(), "key": self.label.tolist()}
        named |= self._corpora | {name: values.tolist() for name, values in self.groups.items()}
        _write_columns(path, [[name, *values] for name, values in named.items()])

    @property
    def _corpora(self) -> dict[str, list[str]]:
        """The column of the corpora, where there is one."""
        return {"corpus": [name or NO_CORPUS for name in self.corpus.tolist()]} if any(self.corpus) else {}


def _groups(utterances: pd.DataFrame) -> dict[str, NDArray[np.str_]]:
    """Speakers, and what the protocol tells of the channel, as far as the index has them."""
    groups = {}
    if SPEAKER in utterances:
        code_N, speakers = pd.factorize(utterances[SPEAKER])
        groups[SPEAKER] = _words(speakers)[code_N]
    if "channel" in utterances:
        # Hundreds of thousands of utterances have a few hundred combinations of facts among them.
        code_N, combinations = pd.factorize(utterances["channel"])
        facts = [json.loads(combination) for combination in combinations]
        for name in sorted({name for told in facts for name in told} - NO_GROUPS - {SPEAKER}):
            values = _words([told.get(name, NOT_TOLD) for told in facts])
            if len(set(values)) <= MOST_GROUPS:
                groups[_word(name)] = values[code_N]
    return groups


def _words(texts: Iterable[object]) -> NDArray[np.str_]:
    return np.array([_word(text) for text in texts], dtype=np.str_)


def _word(text: object) -> str:
    """Without white space, which separates columns."""
    return "_".join(str(text).split()) or NOT_TOLD


def _write_columns(path: Path, columns: Sequence[Sequence[str]]) -> None:
    for name in {name for names in columns for name in names}:
        if name.split() != [name]:
            raise SpoofsweepError("names in a score file are without white space", repr(name), "rename it")
    atomic_write_text(path, "".join(" ".join(row) + "\n" for row in zip(*columns, strict=True)))
