"""Scores of a set of utterances, as the ASVspoof score files hold them: ``utterance attack key score`` on each line.

Where the utterances come from several corpora, each line has one field more, the name of its corpus.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write_text
from data_prep.eer_bootstrap import Interval, eer_interval
from data_prep.error_rates import equal_error_rate
from data_prep.utterance import LABELS, Label
from trainable.metrics import eer_by_attack, score_warnings

_NO_CORPUS = "-"


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores ``[N]`` (higher is bona fide) with what they are about; the five columns are aligned."""

    utterance_id: list[str]
    attack: NDArray[np.str_]
    label: NDArray[np.str_]
    corpus: NDArray[np.str_]
    """Empty throughout if there is only one."""
    score: NDArray[np.float64]

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
            columns.append([name or _NO_CORPUS for name in self.corpus])
        for name in {str(name) for names in columns for name in names}:
            if name.split() != [name]:
                raise SpoofsweepError("names in a score file are without white space", repr(name), "rename it")
        atomic_write_text(path, "".join(" ".join(row) + "\n" for row in zip(*columns, strict=True)))

    @classmethod
    def read(cls, path: Path) -> "ScoreTable":
        """Read a score file.

        Raises:
            SpoofsweepError: the file is missing or empty, or a line is malformed (with its number).
        """
        if not path.is_file():
            raise SpoofsweepError("a score file must exist", path)
        lines = enumerate(path.read_text().splitlines(), start=1)
        rows = [_parse(line, f"{path}, line {number}") for number, line in lines if line.strip()]
        if not rows:
            raise SpoofsweepError("a score file holds lines `utterance attack key score`", f"{path}: empty")
        names, attacks, labels, scores, corpora = zip(*rows, strict=True)
        return cls(list(names), np.array(attacks), np.array(labels), np.array(corpora), np.array(scores))


@dataclass(frozen=True)
class CorpusRate:
    """Error rate of one corpus among several."""

    num_bonafide: int
    num_spoof: int
    eer: float
    interval: Interval
    borrowed: Label | None
    """The class that the corpus lacks and that all corpora together lend to it; none if it has both."""


@dataclass(frozen=True)
class ScoreSummary:
    """Error rates of a score table, as fractions."""

    num_bonafide: int
    num_spoof: int
    eer: float
    threshold: float
    interval: Interval
    by_attack: dict[str, float]
    """EER of each attack's spoofs against all bona fide scores."""
    attack_intervals: dict[str, Interval]
    """Intervals of ``by_attack``, with as many resamples and the same confidence as ``interval``."""
    by_corpus: dict[str, CorpusRate]
    """Bona fide and spoofs of each corpus against each other; empty if there is only one."""
    warnings: list[str]


def summarise(table: ScoreTable, num_resamples: int = 500, confidence: float = 0.95) -> ScoreSummary:
    """EER, all in all, by attack and by corpus, with bootstrap intervals, and what makes the scores doubtful.

    Raises:
        SpoofsweepError: a class is missing, or a score is not finite.
    """
    eer, threshold = equal_error_rate(table.bonafide, table.spoof)
    by_attack = eer_by_attack(table.score, table.label, table.attack)
    is_spoof = table.label == "spoof"
    return ScoreSummary(
        num_bonafide=len(table.bonafide),
        num_spoof=len(table.spoof),
        eer=eer,
        threshold=threshold,
        interval=eer_interval(table.bonafide, table.spoof, num_resamples, confidence),
        by_attack=by_attack,
        attack_intervals={
            name: eer_interval(
                table.bonafide, table.score[is_spoof & (table.attack == name)], num_resamples, confidence
            )
            for name in by_attack
        },
        by_corpus=_by_corpus(table, num_resamples, confidence),
        warnings=score_warnings(table.bonafide, table.spoof),
    )


def span(interval: Sequence[float]) -> str:
    """An interval of rates, low and high first, in percent."""
    return f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}%"


def corpus_label(name: str, rate: CorpusRate) -> str:
    """How a corpus stands in a table, with a mark if it lacks a class."""
    lent = {"bonafide": "bona fide", "spoof": "spoofs"}
    mark = f" (against the {lent[rate.borrowed]} of all corpora)" if rate.borrowed else ""
    return f"corpus {name or 'without a name'}{mark}"


def _by_corpus(table: ScoreTable, num_resamples: int, confidence: float) -> dict[str, CorpusRate]:
    names = np.unique(table.corpus)
    rates = {}
    for name in names if len(names) > 1 else ():
        own = {label: table.score[(table.corpus == name) & (table.label == label)] for label in LABELS}
        borrowed = next((label for label in LABELS if not own[label].size), None)
        pooled = {"bonafide": table.bonafide, "spoof": table.spoof}
        bonafide, spoof = (own[label] if own[label].size else pooled[label] for label in LABELS)
        rates[str(name)] = CorpusRate(
            num_bonafide=own["bonafide"].size,
            num_spoof=own["spoof"].size,
            eer=equal_error_rate(bonafide, spoof)[0],
            interval=eer_interval(bonafide, spoof, num_resamples, confidence),
            borrowed=borrowed,
        )
    return rates


def _parse(line: str, where: str) -> tuple[str, str, str, float, str]:
    fields = line.split()
    if len(fields) not in (4, 5) or fields[2] not in LABELS:
        raise SpoofsweepError("a score line is `utterance attack bonafide|spoof score [corpus]`", f"{line!r} ({where})")
    corpus = fields[4] if len(fields) == 5 and fields[4] != _NO_CORPUS else ""
    try:
        return fields[0], fields[1], fields[2], float(fields[3]), corpus
    except ValueError as error:
        raise SpoofsweepError("a score must be a number", f"{fields[3]!r} ({where})") from error
