"""Learning curves predicted from recorded ones: a landscape without the gaps and the lucky spots of a table."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from cluster.errors import SpoofsweepError
from search.sampling.coordinates import Coordinates
from search.simulation.curves import Curve
from search.simulation.recorded_curves import recorded_courses, refuse_heirs
from search.study.space import SearchSpace
from search.trials.trial_record import TrialRecord

_LEAST = 20
"""Recordings, below which a prediction would say little."""


class SurrogateCurves:
    """Gives a trial the curve that a Gaussian process predicts for its configuration, and the luck of a real training.

    A surrogate benchmark (Eggensperger et al. 2015, "Efficient benchmarking of hyperparameter optimizers via
    surrogates"). Predicted are the logits of the EER at each report, and the logarithm of the seconds. Luck is the
    whole curve of differences between a recording, which the trial's seed picks, and its prediction from all others
    (Rasmussen & Williams 2006, equation 5.12); it holds what the process does not know besides the luck of a seed.

    Args:
        reports: as `search.simulation.recorded_curves.read_curves` returns them.
        space: the search space that they were drawn from.

    Raises:
        SpoofsweepError: too few recordings, or some that did not come to their end.
    """

    def __init__(self, reports: pd.DataFrame, space: SearchSpace) -> None:
        params, courses = zip(*recorded_courses(reports), strict=True)
        num_reports = {len(course) for course in courses}
        if len(courses) < _LEAST or len(num_reports) > 1 or reports["diverged"].any():
            raise SpoofsweepError(
                f"a surrogate needs {_LEAST} recordings that came to their end",
                f"{len(courses)} recordings of {', '.join(map(str, sorted(num_reports)))} reports",
                "record more of them, or replay these as they are",
            )
        self._coordinates = Coordinates(space)
        point_CF = np.stack([self._features(each) for each in params])
        logit_CR = logit(np.clip(_stacked(courses, "dev_eer"), 1e-3, 1 - 1e-3))
        seconds_CR = _stacked(courses, "seconds")
        self._logits, self._log_seconds = _fit(point_CF, logit_CR), _fit(point_CF, np.log(seconds_CR[:, -1:]))
        self._luck_CR = _left_out(self._logits, logit_CR)
        self.explained = float(1.0 - self._luck_CR[:, -1].var() / logit_CR[:, -1].var())
        """Share of the variance of the last report's logit that predictions from all other recordings explain."""
        self._share_R = (seconds_CR / seconds_CR[:, -1:]).mean(axis=0)
        self._samples_R = np.median(_stacked(courses, "samples_seen"), axis=0).astype(np.int64)

    def curve(self, trial: TrialRecord) -> Curve:
        """The course of a trial.

        Raises:
            SpoofsweepError: the trial took over from another one, which nothing was recorded about.
        """
        refuse_heirs(trial)
        point_1F = self._features(trial.params)[None]
        logit_R = self._logits.predict(point_1F)[0]
        seconds = float(np.exp(self._log_seconds.predict(point_1F).item()))
        luck_R = self._luck_CR[trial.seed % len(self._luck_CR)]
        return Curve(self._samples_R, expit(logit_R + luck_R), expit(logit_R), seconds * self._share_R)

    def _features(self, params: Mapping[str, Any]) -> NDArray[np.float64]:
        """Coordinates of ranges; of a choice, one of as many zeros and ones; all zeros for a parameter not there."""
        features: list[float] = []
        for coordinate, num_choices in zip(self._coordinates.of(params), self._coordinates.num_choices, strict=True):
            is_there = not np.isnan(coordinate)
            if num_choices:
                features += [float(is_there and int(coordinate * num_choices) == i) for i in range(num_choices)]
            else:
                features.append(float(coordinate) if is_there else 0.0)
        return np.array(features)


def _fit(point_CF: NDArray[np.float64], value_CR: NDArray[np.float64]) -> GaussianProcessRegressor:
    noise = WhiteKernel(0.3, (1e-3, 10.0))
    kernel = ConstantKernel() * Matern(np.ones(point_CF.shape[1]), (0.1, 100.0), nu=2.5) + noise
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what has no influence gets the longest length
        return GaussianProcessRegressor(kernel, normalize_y=True, random_state=0).fit(point_CF, value_CR)


def _left_out(process: GaussianProcessRegressor, value_CR: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences between the values and their predictions from all others."""
    precision = np.linalg.inv(process.kernel_(process.X_train_) + process.alpha * np.eye(len(value_CR)))
    return (precision @ process.y_train_) / np.diag(precision)[:, None] * value_CR.std(axis=0)


def _stacked(courses: Sequence[pd.DataFrame], column: str) -> NDArray[np.float64]:
    return np.stack([course[column].to_numpy(np.float64) for course in courses])
