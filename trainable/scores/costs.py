"""The costs of a score table by name, as trials, finalists and the `score` command tell them."""

from trainable.metrics.calibration import Calibration
from trainable.metrics.detection_cost import act_dcf, cllr, min_dcf
from trainable.metrics.tandem_cost import AsvErrorRates, min_tdcf_2019, min_tdcf_2021
from trainable.scores.scores import ScoreTable

COST_NAMES = {
    "min_dcf": "minDCF",
    "act_dcf": "actDCF",
    "act_dcf_calibrated": "actDCF, calibrated",
    "cllr": "Cllr (bits)",
    "cllr_calibrated": "Cllr, calibrated (bits)",
    "min_tdcf_2019": "min t-DCF, 2019 form",
    "min_tdcf_2021": "min t-DCF, 2021 form",
}
"""What tables call each cost, in their order."""


def detection_costs(table: ScoreTable, calibration: Calibration | None = None) -> dict[str, float]:
    """minDCF, actDCF and Cllr as ASVspoof 5 defines them, the latter two with the scores as log-likelihood ratios.

    Args:
        calibration: fitted on another split; adds actDCF and Cllr of the calibrated scores.

    Raises:
        SpoofsweepError: a class has no scores, or a score is not finite.
    """
    costs = {
        "min_dcf": min_dcf(table.bonafide, table.spoof),
        "act_dcf": act_dcf(table.bonafide, table.spoof),
        "cllr": cllr(table.bonafide, table.spoof),
    }
    if calibration is not None:
        ratios = calibration(table.bonafide), calibration(table.spoof)
        costs |= {"act_dcf_calibrated": act_dcf(*ratios), "cllr_calibrated": cllr(*ratios)}
    return costs


def tandem_costs(table: ScoreTable, asv: AsvErrorRates) -> dict[str, float]:
    """Both forms of the minimum t-DCF, which are not to be compared with each other.

    Raises:
        SpoofsweepError: as `trainable.metrics.tandem_cost.min_tdcf_2019`.
    """
    return {
        "min_tdcf_2019": min_tdcf_2019(table.bonafide, table.spoof, asv),
        "min_tdcf_2021": min_tdcf_2021(table.bonafide, table.spoof, asv),
    }
