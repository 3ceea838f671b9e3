"""Error rates of a score table: all in all, by attack, by corpus and whatever else is known of the utterances."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_prep.eer_bootstrap import Interval, eer_interval, eer_interval_by_group
from data_prep.error_rates import equal_error_rate
from data_prep.utterance import LABELS, UNKNOWN_SPEAKER, Label
from trainable.metrics.metrics import eer_by_attack, score_warnings
from trainable.scores.scores import MOST_GROUPS, SPEAKER, ScoreTable


@dataclass(frozen=True)
class GroupRate:
    """Error rate of one group among several, say a corpus or a codec."""

    num_bonafide: int
    num_spoof: int
    eer: float
    interval: Interval
    borrowed: Label | None
    """The class that the group lacks and that all groups together lend to it; none if it has both."""

    @property
    def mark(self) -> str:
        """What stands behind the group's name in a table if it lacks a class."""
        lent = {"bonafide": "bona fide", "spoof": "spoofs"}
        return f" (against the {lent[self.borrowed]} of all)" if self.borrowed else ""


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
    by_corpus: dict[str, GroupRate]
    """Bona fide and spoofs of each corpus against each other; empty if there is only one."""
    by_group: dict[str, dict[str, GroupRate]]
    """The same by whatever else is known of the utterances, such as their codec."""
    group_interval: Interval | None
    """Of the EER, by speakers and attacks; none where a speaker is not known."""
    warnings: list[str]


def summarise(table: ScoreTable, num_resamples: int = 500, confidence: float = 0.95) -> ScoreSummary:
    """EER with bootstrap intervals, by attack and by group too, and what makes the scores doubtful.

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
        by_corpus=_by_value(table, table.corpus, num_resamples, confidence),
        by_group={
            name: rates
            for name, values in table.groups.items()
            if name != SPEAKER and (rates := _by_fact(table, values, num_resamples, confidence))
        },
        group_interval=_group_interval(table, num_resamples, confidence),
        warnings=score_warnings(table.bonafide, table.spoof),
    )


def span(interval: Sequence[float]) -> str:
    """An interval of rates, low and high first, in percent."""
    return f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}%"


def plain(figures: Any) -> Any:
    """Figures as JSON is to have them: intervals as objects rather than nameless lists."""
    if isinstance(figures, Interval):
        return figures._asdict()
    return {name: plain(one) for name, one in figures.items()} if isinstance(figures, dict) else figures


def corpus_label(name: str, rate: GroupRate) -> str:
    """How a corpus stands in a table."""
    return f"corpus {name or 'without a name'}{rate.mark}"


def _group_interval(table: ScoreTable, num_resamples: int, confidence: float) -> Interval | None:
    speaker, is_bonafide = table.groups.get(SPEAKER), table.label == "bonafide"
    if speaker is None or UNKNOWN_SPEAKER in speaker or len(np.unique(speaker)) < 2:
        return None
    groups = speaker[is_bonafide], speaker[~is_bonafide], table.attack[~is_bonafide]
    return eer_interval_by_group(table.bonafide, table.spoof, *groups, num_resamples, confidence)


def _by_fact(
    table: ScoreTable, values: NDArray[np.str_], num_resamples: int, confidence: float
) -> dict[str, GroupRate]:
    """As `_by_value`; a fact of the spoofs alone, such as their vocoder, does not group the bona fide speech too."""
    rates = _by_value(table, values, num_resamples, confidence)
    if any(rate.borrowed is None for rate in rates.values()):
        return rates
    of_spoofs = {name: rate for name, rate in rates.items() if rate.borrowed == "bonafide"}
    return of_spoofs if len(of_spoofs) > 1 else {}


def _by_value(
    table: ScoreTable, values: NDArray[np.str_], num_resamples: int, confidence: float
) -> dict[str, GroupRate]:
    """Each group's own bona fide speech and spoofs against each other; empty for one group, or too many to read."""
    names = sorted(map(str, pd.unique(values)))
    rates = {}
    for name in names if 1 < len(names) <= MOST_GROUPS else ():
        own = {label: table.score[(values == name) & (table.label == label)] for label in LABELS}
        borrowed = next((label for label in LABELS if not own[label].size), None)
        pooled = {"bonafide": table.bonafide, "spoof": table.spoof}
        bonafide, spoof = (own[label] if own[label].size else pooled[label] for label in LABELS)
        rates[name] = GroupRate(
            num_bonafide=own["bonafide"].size,
            num_spoof=own["spoof"].size,
            eer=equal_error_rate(bonafide, spoof)[0],
            interval=eer_interval(bonafide, spoof, num_resamples, confidence),
            borrowed=borrowed,
        )
    return rates
