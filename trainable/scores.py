"""Scores of a set of utterances, as the ASVspoof score files hold them: ``utterance attack key score`` on each line.

Where the utterances come from several corpora, each line has one field more, the name of its corpus.
"""

from collections.abc import Iterable, Mapping
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
    """What else the keys tell, by name: ``speaker``, ``codec``..., each aligned with the scores."""

    @classmethod
    def of(cls, utterances: pd.DataFrame, score: NDArray[np.float64]) -> "ScoreTable":
        """From a frame of utterance_id, corpus, attack and label, and their scores in the same order."""
        return cls(
            utterance_id=[str(name) for name in utterances["utterance_id"]],
            attack=utterances["attack"].to_numpy(str),
            label=utterances["label"].to_numpy(str),
            corpus=utterances["corpus"].to_numpy(str),
            score=score,
        )

    @property
    def bonafide(self) -> NDArray[np.float64]:
        """Scores of the bona fide utterances."""
        return self.score[self.label == "bonafide"]

    @property
    def spoof(self) -> NDArray[np.float64]:
        """Scores of the spoofed utterances."""
        return self.score[self.label == "spoof"]

    def write(self, path: Path) -> None:
        """Write as a score file; reading it gives the same numbers back.

        Raises:
            SpoofsweepError: an utterance, attack or corpus has white space in its name, which separates the columns.
        """
        columns: list[Iterable[str]] = [
            self.utterance_id,
            self.attack,
            self.label,
            [repr(float(score)) for score in self.score],
        ]
        if any(self.corpus):
            columns.append([name or NO_CORPUS for name in self.corpus])
        for name in {str(name) for names in columns for name in names}:
            if name.split() != [name]:
                raise SpoofsweepError("names in a score file are without white space", repr(name), "rename it")
        atomic_write_text(path, "".join(" ".join(row) + "\n" for row in zip(*columns, strict=True)))
