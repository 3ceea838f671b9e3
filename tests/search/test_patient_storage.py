"""The ledger on a real PostgreSQL server, which goes away and comes back."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.errors import SpoofsweepError
from search.config import ParameterConfig
from search.ledger import Ledger
from search.space import SearchSpace
from trainable.config import TrialConfig

BIN = next((path for path in Path("/usr/lib/postgresql").glob("*/bin")), None)
pytestmark = pytest.mark.skipif(BIN is None, reason="needs the Debian package postgresql")
SPACE = SearchSpace({"model.dropout": ParameterConfig(low=0.0, high=0.5)})


class Postgres:
    """A server of its own, as the user that PostgreSQL insists on."""

    def __init__(self, folder: Path) -> None:
        assert BIN is not None
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "spoofsweep", "--no-sync")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "spoofsweep", "ledger")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://spoofsweep@127.0.0.1:{self.port}/ledger"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder}"
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-o", options, "-l", "/dev/null", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        assert BIN is not None
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*self._as_user, str(BIN / program), *arguments], check=True, cwd="/", **quiet)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder = tmp_path_factory.mktemp("postgres")
    for parent in folder.parents[:2]:
        parent.chmod(0o755)  # pytest's folders are for root alone
    server = Postgres(folder)
    yield server
    server.stop()


def test_a_restart_of_the_database_loses_nothing(postgres: Postgres) -> None:
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
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
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


def test_patience_has_an_end(postgres: Postgres) -> None:
    ledger = Ledger(postgres.url, "impatient", SPACE, TrialConfig())
    ledger.storage._patience_s = 1.0
    postgres.stop()
    started = time.monotonic()
    with pytest.raises(SpoofsweepError, match="Optuna storage must be reachable"):
        ledger.ask()
    assert time.monotonic() - started < 30
    postgres.start()
    ledger.close()
