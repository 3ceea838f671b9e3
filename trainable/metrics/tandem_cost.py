"""Costs of a countermeasure together with automatic speaker verification (ASV): t-DCF and a-DCF.

Scores are higher for bona fide and for target speakers. Three kinds of trials: target speakers, nontarget speakers
(zero-effort impostors) and spoofs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cluster.errors import SpoofsweepError
from data_prep.error_rates import equal_error_rate, error_rates

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TandemCosts:
    """Priors and costs of all ASVspoof editions from 2019 on."""

    prior_spoof: float = 0.05
    prior_target: float = 0.9405
    prior_nontarget: float = 0.0095
    miss: float = 1.0
    """Of rejecting a target speaker, by the countermeasure or by ASV."""
    false_acceptance: float = 10.0
    """Of accepting a nontarget speaker or a spoof."""


ASVSPOOF = TandemCosts()


@dataclass(frozen=True)
class AsvErrorRates:
    """What the ASV system does at its threshold, as fractions."""

    miss: float
    """Target speakers rejected."""
    false_acceptance: float
    """Nontarget speakers accepted."""
    spoof_acceptance: float
    """Spoofs accepted."""


def asv_error_rates(target: ArrayLike, nontarget: ArrayLike, spoof: ArrayLike) -> AsvErrorRates:
    """Error rates of an ASV system where those of target and nontarget speakers are equal, as the challenges fix it.

    Raises:
        SpoofsweepError: a kind of trial has no scores, or a score is not finite.
    """
    targets, nontargets, spoofs = _checked(target, nontarget, spoof)
    _, threshold = equal_error_rate(targets, nontargets)
    return AsvErrorRates(
        miss=float(np.mean(targets < threshold)),
        false_acceptance=float(np.mean(nontargets >= threshold)),
        spoof_acceptance=float(np.mean(spoofs >= threshold)),
    )


def min_tdcf_2019(bonafide: ArrayLike, spoof: ArrayLike, asv: AsvErrorRates, costs: TandemCosts = ASVSPOOF) -> float:
    """Minimum normalised t-DCF as ASVspoof 2019 defines it (Kinnunen et al. 2018; evaluation plan).

    Not to be compared with `min_tdcf_2021`.

    Raises:
        SpoofsweepError: a class has no scores, a score is not finite, or the ASV system errs so much that a cost would
            be negative.
    """
    miss = (
        costs.prior_target * (costs.miss - costs.miss * asv.miss)
        - costs.prior_nontarget * costs.false_acceptance * asv.false_acceptance
    )
    acceptance = costs.false_acceptance * costs.prior_spoof * asv.spoof_acceptance
    if miss <= 0 or acceptance <= 0:
        raise SpoofsweepError(
            "t-DCF needs an ASV system that accepts target speakers and some spoofs",
            f"misses {asv.miss:.1%}, accepts {asv.false_acceptance:.1%} of nontargets and "
            f"{asv.spoof_acceptance:.1%} of spoofs",
            "check the keys and the polarity of the ASV scores",
        )
    rates = error_rates(bonafide, spoof)
    return float((miss * rates.frr + acceptance * rates.far).min() / min(miss, acceptance))


def min_tdcf_2021(bonafide: ArrayLike, spoof: ArrayLike, asv: AsvErrorRates, costs: TandemCosts = ASVSPOOF) -> float:
    """Minimum normalised t-DCF as ASVspoof 2021 defines it (Kinnunen et al. 2020), ASV's own errors included.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    always = (
        costs.prior_target * costs.miss * asv.miss
        + costs.prior_nontarget * costs.false_acceptance * asv.false_acceptance
    )
    miss = costs.prior_target * costs.miss - always
    acceptance = costs.prior_spoof * costs.false_acceptance * asv.spoof_acceptance
    rates = error_rates(bonafide, spoof)
    return float((always + miss * rates.frr + acceptance * rates.far).min() / (always + min(miss, acceptance)))


def min_adcf(target: ArrayLike, nontarget: ArrayLike, spoof: ArrayLike, costs: TandemCosts = ASVSPOOF) -> float:
    """Minimum normalised a-DCF (Shim et al. 2024): one score decides about speaker and spoof together.

    Among equal scores target speakers are rejected first, then nontarget speakers, as in the authors' program.

    Raises:
        SpoofsweepError: a kind of trial has no scores, or a score is not finite.
    """
    kinds = _checked(target, nontarget, spoof)
    order = np.argsort(np.concatenate(kinds), kind="stable")
    kind = np.repeat(np.arange(3), [values.size for values in kinds])[order]
    rejected = [np.concatenate(([0.0], np.cumsum(kind == i) / values.size)) for i, values in enumerate(kinds)]
    weights = [
        costs.miss * costs.prior_target,
        costs.false_acceptance * costs.prior_nontarget,
        costs.false_acceptance * costs.prior_spoof,
    ]
    cost = weights[0] * rejected[0] + weights[1] * (1.0 - rejected[1]) + weights[2] * (1.0 - rejected[2])
    return float(cost.min() / min(weights[0], weights[1] + weights[2]))


def _checked(target: ArrayLike, nontarget: ArrayLike, spoof: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    named = {"target": target, "nontarget": nontarget, "spoof": spoof}
    arrays = {name: np.asarray(values, dtype=np.float64).ravel() for name, values in named.items()}
    for name, values in arrays.items():
        if not values.size:
            raise SpoofsweepError("target, nontarget and spoof trials need scores", f"none for {name}")
        if not np.isfinite(values).all():
            raise SpoofsweepError("scores must be finite", f"{int((~np.isfinite(values)).sum())} of {name} are not")
    return arrays["target"], arrays["nontarget"], arrays["spoof"]
