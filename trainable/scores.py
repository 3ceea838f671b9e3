"""Scores of a set of utterances, as the ASVspoof score files hold them: ``utterance attack key score`` on each line."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write_text
from trainable.metrics import Interval, eer_by_attack, eer_interval, equal_error_rate, score_warnings

LABELS = ("bonafide", "spoof")


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores ``[N]`` (higher is bona fide) with what they are about; the four columns are aligned."""

    utterance_id: list[str]
    attack: NDArray[np.str_]
    label: NDArray[np.str_]
    score: NDArray[np.float64]

    @classmethod
    def of(cls, utterances: pd.DataFrame, score: NDArray[np.float64]) -> "ScoreTable":
        """From a frame of utterance_id, attack and label, and their scores in the same order."""
        return cls(
            utterance_id=[str(name) for name in utterances["utterance_id"]],
            attack=utterances["attack"].to_numpy(str),
            label=utterances["label"].to_numpy(str),
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
            SpoofsweepError: an utterance or an attack has white space in its name, which separates the columns.
        """
        for name in {*self.utterance_id, *self.attack}:
            if str(name).split() != [name]:
                raise SpoofsweepError("names in a score file are without white space", repr(str(name)), "rename it")
        rows = zip(self.utterance_id, self.attack, self.label, self.score, strict=True)
        atomic_write_text(
            path, "".join(f"{name} {attack} {label} {float(score)!r}\n" for name, attack, label, score in rows)
        )

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
        names, attacks, labels, scores = zip(*rows, strict=True)
        return cls(list(names), np.array(attacks), np.array(labels), np.array(scores))


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
    warnings: list[str]


def summarise(table: ScoreTable, num_resamples: int = 500, confidence: float = 0.95) -> ScoreSummary:
    """EER, all in all and by attack, with bootstrap intervals, and what makes the scores doubtful.

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
        warnings=score_warnings(table.bonafide, table.spoof),
    )


def _parse(line: str, where: str) -> tuple[str, str, str, float]:
    fields = line.split()
    if len(fields) != 4 or fields[2] not in LABELS:
        raise SpoofsweepError("a score line is `utterance attack bonafide|spoof score`", f"{line!r} ({where})")
    try:
        return fields[0], fields[1], fields[2], float(fields[3])
    except ValueError as error:
        raise SpoofsweepError("a score must be a number", f"{fields[3]!r} ({where})") from error
