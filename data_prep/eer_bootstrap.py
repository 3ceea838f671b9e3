"""Bootstrap intervals of the equal error rate: by trials, or by speakers and attacks.

Every resampled EER is that of `data_prep.error_rates.equal_error_rate` on the scores drawn, ties included. It needs no
second sort: a resample is how often each of the sorted scores was drawn. And it needs no look at all scores: the
difference of both error rates rises with the threshold, so only the block of scores where it crosses zero is drawn one
by one, the others as block totals. Hundreds of thousands of scores take as long as hundreds did.

Legend: N bona fide and spoofed scores together, R resamples, K blocks of consecutive scores.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from data_prep.error_rates import FloatArray, IntArray, sorted_labels


class Interval(NamedTuple):
    """Bootstrap percentile interval of an EER."""

    low: float
    high: float
    standard_deviation: float


def eer_interval(
    bonafide: ArrayLike, spoof: ArrayLike, num_resamples: int = 500, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile bootstrap of the EER, resampling each class by itself (Efron and Tibshirani 1993, section 13.3).

    It tells how far the EER depends on the utterances at hand, were speakers and attacks to stay the same.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    is_bonafide = sorted_labels(bonafide, spoof)[1]
    rng = np.random.default_rng(seed)
    edges_K = _edges(is_bonafide.size)
    drawn = [_block_totals(is_bonafide == kind, edges_K, num_resamples, rng) for kind in (True, False)]
    eers = np.empty(num_resamples)
    for number, (bonafide_K, spoof_K) in enumerate(zip(*drawn, strict=True)):
        block, before = _crossing(bonafide_K, spoof_K)
        inside = is_bonafide[edges_K[block] : edges_K[block + 1]]
        copies = np.zeros(inside.size, dtype=np.int64)
        for kind, total_K in ((True, bonafide_K), (False, spoof_K)):
            members = np.flatnonzero(inside == kind)
            if members.size:
                copies[members] = np.bincount(rng.integers(members.size, size=total_K[block]), minlength=members.size)
        eers[number] = _eer_of_copies(inside, copies, before, (int(bonafide_K.sum()), int(spoof_K.sum())))
    return _interval(eers, confidence)


def eer_interval_by_group(
    bonafide: ArrayLike,
    spoof: ArrayLike,
    bonafide_speaker: ArrayLike,
    spoof_speaker: ArrayLike,
    spoof_attack: ArrayLike,
    num_resamples: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The same, resampling speakers and attacks as wholes (the pigeonhole bootstrap, Owen 2007, section 4).

    An utterance counts as often as its speaker was drawn, a spoof as often as its speaker was drawn times its attack
    was. It tells how far the EER depends on the speakers and attacks at hand, which another corpus changes; with few of
    them it is wide, and rightly so. Resamples without bona fide or without spoofed speech are drawn again.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    order, is_bonafide = sorted_labels(bonafide, spoof)
    speakers, speaker_N = np.unique(
        np.concatenate((_names(bonafide_speaker), _names(spoof_speaker))), return_inverse=True
    )
    attacks, spoof_attack_N = np.unique(_names(spoof_attack), return_inverse=True)
    # Bona fide speech counts as one more attack, which is always drawn once.
    attack_N = np.concatenate((np.full(order.size - spoof_attack_N.size, attacks.size), spoof_attack_N))
    pairs, pair_N = np.unique((speaker_N * (attacks.size + 1) + attack_N)[order], return_inverse=True)
    edges_K = _edges(order.size)
    block_N = np.repeat(np.arange(edges_K.size - 1), np.diff(edges_K))
    shape = (edges_K.size - 1, pairs.size)
    held = [
        csr_array((np.ones(kind.sum(), dtype=np.int64), (block_N[kind], pair_N[kind])), shape)
        for kind in (is_bonafide, ~is_bonafide)
    ]
    rng = np.random.default_rng(seed)
    eers: list[float] = []
    while len(eers) < num_resamples:
        attack_copies = np.append(_draws(attacks.size, rng), 1)
        copies_P = _draws(speakers.size, rng)[pairs // (attacks.size + 1)] * attack_copies[pairs % (attacks.size + 1)]
        bonafide_K, spoof_K = (matrix @ copies_P for matrix in held)
        if not (bonafide_K.any() and spoof_K.any()):
            continue
        block, before = _crossing(bonafide_K, spoof_K)
        part = slice(edges_K[block], edges_K[block + 1])
        total = int(bonafide_K.sum()), int(spoof_K.sum())
        eers.append(_eer_of_copies(is_bonafide[part], copies_P[pair_N[part]], before, total))
    return _interval(np.array(eers), confidence)


def _names(values: ArrayLike) -> NDArray[np.str_]:
    return np.asarray(values, dtype=np.str_).ravel()


def _edges(num_scores: int) -> IntArray:
    """Bounds of about as many blocks as a block has scores, which costs least."""
    return np.linspace(0, num_scores, math.isqrt(num_scores) + 1).astype(np.int64)


def _block_totals(
    is_member: NDArray[np.bool_], edges_K: IntArray, num_resamples: int, rng: np.random.Generator
) -> IntArray:
    """How many of a class's draws fall into each block, ``[R, K]``."""
    size_K = np.add.reduceat(is_member, edges_K[:-1], dtype=np.int64)
    return rng.multinomial(size_K.sum(), size_K / size_K.sum(), size=num_resamples)


def _draws(number: int, rng: np.random.Generator) -> IntArray:
    """How often each of ``number`` is drawn in as many draws with replacement."""
    return np.bincount(rng.integers(number, size=number), minlength=number)


def _crossing(bonafide_K: IntArray, spoof_K: IntArray) -> tuple[int, tuple[int, int]]:
    """The block in which rejecting bona fide becomes as frequent as accepting spoofs, and what lies before it."""
    bonafide_up_to, spoof_up_to = np.cumsum(bonafide_K), np.cumsum(spoof_K)
    difference_K = bonafide_up_to / bonafide_up_to[-1] - (1.0 - spoof_up_to / spoof_up_to[-1])
    block = min(int(np.searchsorted(difference_K, 0.0)), len(difference_K) - 1)
    return block, (int(bonafide_up_to[block] - bonafide_K[block]), int(spoof_up_to[block] - spoof_K[block]))


def _eer_of_copies(
    is_bonafide: NDArray[np.bool_], copies: IntArray, before: tuple[int, int], total: tuple[int, int]
) -> float:
    """The EER whose threshold lies in this block: every copy of a score is a point of its own, as in the official sum.

    Args:
        before: bona fide and spoofed draws below the block.
        total: of all draws.
    """
    label = np.repeat(is_bonafide, copies)
    rejected = before[0] + np.concatenate(([0], np.cumsum(label)))
    frr = rejected / total[0]
    far = (total[1] - before[1] - (np.arange(label.size + 1) - (rejected - before[0]))) / total[1]
    point = int(np.argmin(np.abs(frr - far)))
    return float(frr[point] + far[point]) / 2


def _interval(eers: FloatArray, confidence: float) -> Interval:
    low, high = np.quantile(eers, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high), float(eers.std(ddof=1)) if eers.size > 1 else 0.0)
