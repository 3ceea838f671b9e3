"""The ledger on a real PostgreSQL server, which goes away and comes back."""

import threading
import time

import pytest
from postgres_server import BIN, PostgresServer

from cluster.errors import SpoofsweepError
from search.ledger.ledger import Ledger
from search.study.config import ParameterConfig
from search.study.space import SearchSpace
from trainable.config import TrialConfig

pytestmark = pytest.mark.skipif(BIN is None, reason="needs the Debian package postgresql")
SPACE = SearchSpace({"model.dropout": ParameterConfig(low=0.0, high=0.5)})


def test_a_restart_of_the_database_loses_nothing(postgres: PostgresServer) -> None:
    ledger = Ledger(postgres.url, "restarted", SPACE, TrialConfig())
    first = ledger.ask().number
    ledger.report(first, 100, 0.4)
    for act in (
        lambda: ledger.report(first, 200, 0.3),
        lambda: ledger.finish(first, "COMPLETE", 0.3, metrics={"dev_eer": 0.3}),
        ledger.ask,
    ):
        postgres.stop()
        back = threading.Timer(1.0, postgres.start)
        back.start()
        act()
        back.join()
    ledger.close()
    reopened = Ledger(postgres.url, "restarted", SPACE, TrialConfig())
    done, begun = reopened.trials()
    reopened.close()
    assert (done.state, done.value, done.reports) == ("COMPLETE", 0.3, {100: 0.4, 200: 0.3})
    assert (begun.state, begun.number) == ("RUNNING", 1)


def test_a_trial_whose_making_was_confirmed_to_nobody_is_found_again(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(postgres.url, "unconfirmed", SPACE, TrialConfig())
    commit = ledger.storage.engine.dialect.do_commit
    cuts = iter([True])

    def cut_off(connection: object) -> None:
        commit(connection)
        if next(cuts, False):
            connection.dbapi_connection.close()  # type: ignore[attr-defined]
            raise ledger.storage.engine.dialect.dbapi.OperationalError("the connection was lost")

    monkeypatch.setattr(ledger.storage.engine.dialect, "do_commit", cut_off)
    asked = ledger.ask()
    assert next(cuts, "none left") == "none left"
    assert [(trial.number, trial.params) for trial in ledger.trials()] == [(asked.number, asked.params)]
    ledger.close()


def test_patience_has_an_end(postgres: PostgresServer) -> None:
    ledger = Ledger(postgres.url, "impatient", SPACE, TrialConfig())
    ledger.storage._patience_s = 1.0
    postgres.stop()
    started = time.monotonic()
    with pytest.raises(SpoofsweepError, match="Optuna storage must be reachable"):
        ledger.ask()
    assert time.monotonic() - started < 30
    postgres.start()
    ledger.close()
