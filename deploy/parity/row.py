"""One row of a parity report: what a form of the detector scores, takes and costs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data_prep.eer_bootstrap import eer_interval
from data_prep.error_rates import FloatArray, equal_error_rate
from deploy.parity.eer_change import eer_change_interval
from deploy.stream.onnx_latency import Latency
from trainable.metrics.calibration import Calibration
from trainable.metrics.detection_cost import act_dcf, cllr, min_dcf
from trainable.metrics.metrics import eer_by_attack
from trainable.scores.scores import ScoreTable

FLOAT32, BF16, ONNX, INT8, PRUNED, PRUNED_INT8 = "float32", "bf16", "ONNX", "int8", "pruned", "pruned int8"
WHOLE = "float32, whole file"
"""What streams are held against: all frames as one window, where the rows above it take windows as validation did."""
STREAMED, STREAMED_INT8, STREAMED_PRUNED_INT8 = "streamed", "streamed int8", "streamed pruned int8"
PRUNED_ROWS = (PRUNED, PRUNED_INT8, STREAMED_PRUNED_INT8)
_WHOLE_FILES = (WHOLE, STREAMED, STREAMED_INT8, STREAMED_PRUNED_INT8)


def compared_with(name: str) -> str:
    """The row with whose scores and EER a row is compared."""
    return WHOLE if name in _WHOLE_FILES else FLOAT32


@dataclass(frozen=True)
class Cost:
    """What a form of the detector takes."""

    num_bytes: int
    latency: Latency
    cpu_s_per_hour: float


@dataclass(frozen=True)
class AttackRate:
    """EER of one attack's spoofs against all bona fide speech, with its interval; fractions."""

    eer: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """Rates are fractions; intervals hold 95%."""

    name: str
    against: str
    """The row that it is compared with."""
    eer: float
    low: float
    high: float
    eer_change: float
    """EER above that of the other row."""
    change_low: float
    change_high: float
    by_attack: Mapping[str, AttackRate]
    min_dcf: float
    act_dcf: float
    """After calibration, as Cllr."""
    cllr: float
    max_difference: float
    """Of scores."""
    mean_difference: float
    num_bytes: int
    """Of the file; of the weights' file for PyTorch."""
    audio_s: float
    """What the times are about: a chunk of a stream, or a window."""
    p50_ms: float
    p99_ms: float
    times_real_time: float
    """Audio over median time."""
    cpu_s_per_hour: float
    """CPU seconds for an hour of the audio that was scored: a proxy of the energy it takes."""

    @classmethod
    def of(
        cls, name: str, tables: Mapping[str, ScoreTable], calibration: Calibration, cost: Cost, num_resamples: int
    ) -> "Row":
        """From the scores that every row gave the same utterances."""
        against = compared_with(name)
        table, reference = tables[name], tables[against]
        eer, _ = equal_error_rate(table.bonafide, table.spoof)
        interval = eer_interval(table.bonafide, table.spoof, num_resamples)
        difference: FloatArray = np.abs(table.score - reference.score)
        low, high = eer_change_interval(reference, table, num_resamples)
        llrs = calibration(table.bonafide), calibration(table.spoof)
        return cls(
            name=name,
            against=against,
            eer=eer,
            low=interval.low,
            high=interval.high,
            eer_change=eer - equal_error_rate(reference.bonafide, reference.spoof)[0],
            change_low=low,
            change_high=high,
            by_attack=_by_attack(table, num_resamples),
            min_dcf=min_dcf(table.bonafide, table.spoof),
            act_dcf=act_dcf(*llrs),
            cllr=cllr(*llrs),
            max_difference=float(difference.max()),
            mean_difference=float(difference.mean()),
            num_bytes=cost.num_bytes,
            audio_s=cost.latency.audio_s,
            p50_ms=cost.latency.p50_ms,
            p99_ms=cost.latency.p99_ms,
            times_real_time=1000 * cost.latency.audio_s / cost.latency.p50_ms,
            cpu_s_per_hour=cost.cpu_s_per_hour,
        )


def _by_attack(table: ScoreTable, num_resamples: int) -> dict[str, AttackRate]:
    is_spoof = table.label == "spoof"
    rates = {}
    for attack, eer in eer_by_attack(table.score, table.label, table.attack).items():
        own = table.score[is_spoof & (table.attack == attack)]
        interval = eer_interval(table.bonafide, own, num_resamples)
        rates[attack] = AttackRate(eer, interval.low, interval.high)
    return rates
