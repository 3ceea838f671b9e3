"""Shortcut probes: how well one trivial cue alone tells bona fide from spoofed speech.

A corpus in which a cue that is no trace of synthesis (the length of the leading silence, say) separates the classes
teaches that cue: on ASVspoof 2019 LA the leading silence alone reaches 15.1% EER (Müller et al. 2021, "Speech is
Silver, Silence is Golden", arXiv:2106.12914).

The classifier is the ratio of two smoothed histograms (Neyman and Pearson: no other one does better on one number),
fitted on train and applied to dev and eval; where a split is judged by itself, it is cut into five parts and each is
scored by the fit on the other four. Array names carry shapes: N utterances, C cues.
"""

from collections.abc import Callable, Hashable

import numpy as np
import pandas
from sklearn.linear_model import LogisticRegression

from cluster.settings import Settings
from data_prep.audit.quantities import QUANTITIES
from data_prep.audit.signal import FloatArray
from data_prep.eer_bootstrap import eer_interval
from data_prep.error_rates import equal_error_rate
from data_prep.utterance import SPLITS

CUES = {one.name: one.column for one in QUANTITIES.values() if one.is_cue}
"""Columns of the measurements by the name of the cue."""
KINDS = {"file format": ["container", "coding", "sample_rate", "channels"], "told channel": ["told_channel"]}
"""Cues that are kinds instead of numbers, each made of several columns."""
TOGETHER = "all together"
FEWEST_FILES = 10
"""A class with fewer files in a split tells no error rate."""
_PARTS = 5
_MOST_CELLS = 10
_FILES_A_CELL = 20
_NUM_RESAMPLES = 200

Scorer = Callable[[pandas.DataFrame], FloatArray]


class Probe(Settings):
    """What one cue alone reaches on one split."""

    cue: str
    split: str
    eer: float
    """Official equal error rate, ties broken by lot; 0.5 is what guessing reaches."""
    low: float
    """95% bootstrap interval."""
    high: float
    fitted_on: str
    """``train``, or the split itself by parts."""


def probe(table: pandas.DataFrame, seed: int) -> list[Probe]:
    """All cues on all splits that hold enough files of both classes, cue by cue.

    Args:
        table: a row a measurement, columns as in ``Measurement``.
        seed: of parts, lots and resamples.
    """
    splits = {split: table[table.split == split].reset_index(drop=True) for split in SPLITS}
    splits = {split: rows for split, rows in splits.items() if _smallest_class(rows) >= FEWEST_FILES}
    cues = [*CUES, *(cue for cue, columns in KINDS.items() if table[columns].drop_duplicates().shape[0] > 1)]
    found = []
    for cue in [*cues, TOGETHER]:
        chosen = cues if cue == TOGETHER else [cue]
        for split, rows in splits.items():
            if split != "train" and "train" in splits:
                scores, fitted_on = fit(splits["train"], chosen)(rows), "train"
            else:
                scores, fitted_on = _by_parts(rows, chosen, seed), split
            found.append(_judge(cue, split, fitted_on, scores, rows, seed))
    return found


def fit(rows: pandas.DataFrame, cues: list[str]) -> Scorer:
    """A classifier on ``cues``, higher for bona fide: log-likelihood ratios, several joined by logistic regression."""
    ratios = [_fit_kind(rows, KINDS[cue]) if cue in KINDS else _fit_number(rows, CUES[cue]) for cue in cues]
    if len(ratios) == 1:
        return ratios[0]

    def stack(those: pandas.DataFrame) -> FloatArray:
        return np.stack([ratio(those) for ratio in ratios], axis=1)

    joined = LogisticRegression(class_weight="balanced").fit(stack(rows), rows.label == "bonafide")
    return lambda those: np.asarray(joined.decision_function(stack(those)))


def _fit_number(rows: pandas.DataFrame, column: str) -> Scorer:
    """Histograms between the quantiles of both classes, one count added a cell (Laplace), linear between the cells."""
    values_N = rows[column].to_numpy(np.float64)
    is_bonafide_N = (rows.label == "bonafide").to_numpy()
    num_cells = int(np.clip(_smallest_class(rows) // _FILES_A_CELL, 2, _MOST_CELLS))
    inner = np.linspace(0, 1, num_cells + 1)[1:-1]
    edges = np.unique(np.concatenate([np.quantile(values_N[is_bonafide_N == kind], inner) for kind in (False, True)]))
    cells_N = np.searchsorted(edges, values_N, side="right")
    used = np.unique(cells_N)
    ratio = _log_ratio(
        *(np.bincount(cells_N[is_bonafide_N == kind], minlength=len(edges) + 1)[used] for kind in (1, 0))
    )
    centres = np.array([np.median(values_N[cells_N == cell]) for cell in used])
    return lambda those: np.interp(those[column].to_numpy(np.float64), centres, ratio)


def _fit_kind(rows: pandas.DataFrame, columns: list[str]) -> Scorer:
    kinds = _kinds(rows, columns)
    is_bonafide = rows.label == "bonafide"
    names = list(kinds.unique())
    ratio = _log_ratio(
        *(kinds[is_bonafide == kind].value_counts().reindex(names, fill_value=0).to_numpy() for kind in (True, False))
    )
    by_name: dict[Hashable, float] = dict(zip(names, ratio, strict=True))
    return lambda those: np.array([by_name.get(kind, 0.0) for kind in _kinds(those, columns)])


def _kinds(rows: pandas.DataFrame, columns: list[str]) -> pandas.Series:
    first, *others = (rows[column].astype(str) for column in columns)
    return first.str.cat(others, sep=" ") if others else first


def _log_ratio(bonafide: np.ndarray, spoof: np.ndarray) -> FloatArray:
    """Logarithm of the ratio of the smoothed shares of each cell, from the counts of both classes."""
    shares = [(counts + 1.0) / (counts.sum() + len(counts)) for counts in (bonafide, spoof)]
    return np.asarray(np.log(shares[0] / shares[1]))


def _by_parts(rows: pandas.DataFrame, cues: list[str], seed: int) -> FloatArray:
    """Scores ``[N]`` of each fifth of ``rows`` by the fit on the other four; both classes are cut evenly."""
    part_N = np.empty(len(rows), int)
    rng = np.random.default_rng(seed)
    for _, members in rows.groupby("label").indices.items():
        part_N[rng.permutation(members)] = np.arange(len(members)) % _PARTS
    scores_N = np.empty(len(rows))
    for part in range(_PARTS):
        scores_N[part_N == part] = fit(rows[part_N != part], cues)(rows[part_N == part])
    return scores_N


def _judge(cue: str, split: str, fitted_on: str, scores_N: FloatArray, rows: pandas.DataFrame, seed: int) -> Probe:
    # The official EER counts every tie as an error, and a cue has many: their order is drawn by lot instead.
    rng = np.random.default_rng(seed)
    rank_N = np.empty(len(scores_N))
    rank_N[np.lexsort((rng.random(len(scores_N)), scores_N))] = np.arange(len(scores_N))
    bonafide, spoof = (rank_N[(rows.label == label).to_numpy()] for label in ("bonafide", "spoof"))
    interval = eer_interval(bonafide, spoof, num_resamples=_NUM_RESAMPLES, seed=seed)
    return Probe(
        cue=cue,
        split=split,
        eer=equal_error_rate(bonafide, spoof)[0],
        low=interval.low,
        high=interval.high,
        fitted_on=fitted_on,
    )


def _smallest_class(rows: pandas.DataFrame) -> int:
    return min(int((rows.label == label).sum()) for label in ("bonafide", "spoof"))
