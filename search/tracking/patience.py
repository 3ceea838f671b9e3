"""Waits for MLflow, where what it is told next cannot wait in the journal: finalists, champion, Pareto front."""

import time
from collections.abc import Callable
from typing import TypeVar

import requests
import sqlalchemy
from mlflow.exceptions import MlflowException

from cluster.errors import AwayError

T = TypeVar("T")
PATIENCE_S = 600.0
_FIRST_DELAY_S, _LONGEST_DELAY_S = 1.0, 30.0
_PASSING_CODES = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED"}
"""Error codes of MLflow; of a server that cannot be reached it is the first."""
_STORES = ("botocore", "boto3")
"""Packages of artefact stores whose errors have no common ancestor with others."""


def patiently(act: Callable[[], T], say: Callable[[str], None], patience_s: float = PATIENCE_S) -> T:
    """Call ``act``, again and again while MLflow or its artefact store is away.

    Args:
        act: harmless to repeat: it may have been done, and only the answer lost.
        say: shows the user a line, when a wait begins and when it is over.
        patience_s: how long to wait.

    Raises:
        Exception: what ``act`` raises; at once if waiting would change nothing, else when patience is at its end.
    """
    delay_s, deadline_s, is_waiting = _FIRST_DELAY_S, time.monotonic() + patience_s, False
    while True:
        try:
            result = act()
        except Exception as error:
            if not _passes(error) or time.monotonic() + delay_s > deadline_s:
                raise
            if not is_waiting:
                is_waiting = True
                say(f"MLflow is away, waiting up to {patience_s / 60:.0f} minutes for it: {_first_line(error)}")
            time.sleep(delay_s)
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
        else:
            if is_waiting:
                say("MLflow is there again.")
            return result


def _passes(error: Exception) -> bool:
    """Whether an error is about the way to MLflow, and not about what it was told."""
    if isinstance(error, MlflowException):
        return error.error_code in _PASSING_CODES
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code >= 500
    if isinstance(error, AwayError | requests.RequestException | OSError | sqlalchemy.exc.OperationalError):
        return True
    return type(error).__module__.partition(".")[0] in _STORES


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
