"""Costs by name."""

import numpy as np
import pytest

from trainable.metrics.calibration import Calibration
from trainable.metrics.detection_cost import act_dcf, cllr, min_dcf
from trainable.metrics.tandem_cost import AsvErrorRates, min_tdcf_2019, min_tdcf_2021
from trainable.scores.costs import COST_NAMES, detection_costs, tandem_costs
from trainable.scores.scores import ScoreTable


@pytest.fixture
def table() -> ScoreTable:
    rng = np.random.default_rng(0)
    label = np.array(["bonafide"] * 30 + ["spoof"] * 50)
    score = rng.normal(0, 1, 80) + (label == "bonafide")
    return ScoreTable([f"u{i}" for i in range(80)], label, label, np.full(80, ""), score)


def test_detection_costs(table: ScoreTable) -> None:
    bonafide, spoof = table.bonafide, table.spoof
    plain = {"min_dcf": min_dcf(bonafide, spoof), "act_dcf": act_dcf(bonafide, spoof), "cllr": cllr(bonafide, spoof)}
    assert detection_costs(table) == plain
    ratios = 2 * bonafide + 1, 2 * spoof + 1
    calibrated = {"act_dcf_calibrated": act_dcf(*ratios), "cllr_calibrated": cllr(*ratios)}
    assert detection_costs(table, Calibration(2.0, 1.0)) == plain | calibrated


def test_both_forms_of_tdcf(table: ScoreTable) -> None:
    asv = AsvErrorRates(miss=0.02, false_acceptance=0.03, spoof_acceptance=0.4)
    expected = [cost(table.bonafide, table.spoof, asv) for cost in (min_tdcf_2019, min_tdcf_2021)]
    assert list(tandem_costs(table, asv).values()) == expected
    assert expected[0] != expected[1]


def test_every_cost_has_a_name_to_print(table: ScoreTable) -> None:
    found = detection_costs(table, Calibration(1.0, 0.0)) | tandem_costs(table, AsvErrorRates(0.02, 0.03, 0.4))
    assert found.keys() == COST_NAMES.keys()
