"""Learning curves of real trainings, recorded once: a Parquet file with a row a report.

Columns: ``config`` (number of the configuration), ``params`` (JSON object: what was searched, as Optuna holds it),
``seed``, ``samples_seen``, ``passes``, ``dev_eer``, ``seconds`` (since the trial began, of its process's CPU time) and
``diverged``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cluster.errors import SpoofsweepError
from search.sampling.coordinates import Coordinates
from search.simulation.curves import Curve
from search.study.space import SearchSpace
from search.trials.trial_record import TrialRecord

COLUMNS = ("config", "params", "seed", "samples_seen", "passes", "dev_eer", "seconds", "diverged")


class RecordedCurves:
    """Gives a trial the curve of the recorded configuration that is nearest to its own.

    The distance is that of Gower (1971), a mean over parameters: the difference of coordinates for a range, 0 or 1 for
    choices and for a parameter that only one of both has. Of equally near recordings, those of other seeds among them,
    the trial's seed picks one.

    Args:
        reports: as `read_curves` returns them.
        space: the search space that they were drawn from.
    """

    def __init__(self, reports: pd.DataFrame, space: SearchSpace) -> None:
        self._coordinates = Coordinates(space)
        courses = recorded_courses(reports)
        self._curves = [_curve(course) for _, course in courses]
        self.params = [params for params, _ in courses]
        """Of each recording."""
        self._point_CP = np.array([self._coordinates.of(params) for params in self.params])

    def curve(self, trial: TrialRecord) -> Curve:
        """The course of the recording nearest to a trial.

        Raises:
            SpoofsweepError: the trial took over from another one, which nothing was recorded about.
        """
        refuse_heirs(trial)
        distance_C = self._distances(trial.params)
        nearest = np.flatnonzero(distance_C <= distance_C.min() + 1e-12)
        return self._curves[int(nearest[trial.seed % len(nearest)])]

    def _distances(self, params: Mapping[str, Any]) -> NDArray[np.float64]:
        difference_CP = np.abs(self._point_CP - self._coordinates.of(params))
        is_choice_P = self._coordinates.num_choices > 0
        difference_CP[:, is_choice_P] = np.ceil(difference_CP[:, is_choice_P])
        one_only_CP = np.isnan(self._point_CP) != np.isnan(self._coordinates.of(params))
        return np.where(one_only_CP, 1.0, np.nan_to_num(difference_CP)).mean(axis=1)


def read_curves(path: Path) -> pd.DataFrame:
    """Recorded reports, each training's in order.

    Raises:
        SpoofsweepError: the file lacks a column.
    """
    reports = pd.read_parquet(path)
    missing = [name for name in COLUMNS if name not in reports]
    if missing:
        raise SpoofsweepError(f"recorded curves need the columns {', '.join(COLUMNS)}", f"{path} lacks {missing}")
    return reports.sort_values(["config", "seed", "samples_seen"], ignore_index=True)


def recorded_courses(reports: pd.DataFrame) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Each training's parameters, as Optuna holds them, and its reports."""
    courses = [course for _, course in reports.groupby(["config", "seed"], sort=True)]
    return [(json.loads(course["params"].iloc[0]), course) for course in courses]


def refuse_heirs(trial: TrialRecord) -> None:
    """Raises SpoofsweepError where a trial took over from another one, which nothing was recorded about."""
    if trial.lineage:
        raise SpoofsweepError("recorded curves are about trials of one configuration", "search.pruning population")


def recorded_passes(reports: pd.DataFrame) -> int:
    """Samples of a pass, as they were recorded."""
    last = reports.iloc[-1]
    return round(float(last["samples_seen"] / last["passes"]))


def _curve(course: pd.DataFrame) -> Curve:
    dev_eer = course["dev_eer"].to_numpy(np.float64)
    return Curve(
        samples_seen=course["samples_seen"].to_numpy(np.int64),
        dev_eer=dev_eer,
        expected_eer=dev_eer,
        seconds=course["seconds"].to_numpy(np.float64),
        diverged=bool(course["diverged"].iloc[-1]),
    )
