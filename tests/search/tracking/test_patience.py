"""What waits for MLflow, and what does not."""

import pytest
import requests
from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException

from cluster.errors import AwayError, SpoofsweepError
from search.tracking import patience
from search.tracking.patience import patiently


class Act:
    """Raises errors in turn, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.num_calls = 0

    def __call__(self) -> str:
        self.num_calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_DELAY_S", 0.01)


def bad_gateway() -> requests.HTTPError:
    response = requests.Response()
    response.status_code = 502
    return requests.HTTPError("502", response=response)


def test_it_waits_and_says_so_once() -> None:
    said: list[str] = []
    away = MlflowException("API request failed with exception HTTPConnectionPool: Connection refused\nmore")
    act = Act(away, AwayError("store"), requests.ConnectionError(), bad_gateway(), TimeoutError())
    assert patiently(act, said.append) == "done"
    assert act.num_calls == 6
    assert said == [
        "MLflow is away, waiting up to 10 minutes for it: "
        "API request failed with exception HTTPConnectionPool: Connection refused",
        "MLflow is there again.",
    ]


def test_it_says_nothing_where_there_is_nothing_to_wait_for() -> None:
    said: list[str] = []
    assert patiently(Act(), said.append) == "done"
    assert not said


def forbidden() -> requests.HTTPError:
    error = bad_gateway()
    error.response.status_code = 403
    return error


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("no", INVALID_PARAMETER_VALUE),
        SpoofsweepError("a rule"),
        forbidden(),
        TypeError("a fault of ours"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_refusal_is_told_at_once(error: Exception) -> None:
    act = Act(error)
    with pytest.raises(type(error)):
        patiently(act, lambda text: None)
    assert act.num_calls == 1


def test_patience_has_an_end() -> None:
    with pytest.raises(AwayError):
        patiently(Act(*(AwayError("store") for _ in range(100))), lambda text: None, patience_s=0.1)
