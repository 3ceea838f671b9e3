"""One small study on the sample corpus, made by the real parts once a session; an empty ledger; and PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import gettempdir

import pytest
from postgres_server import BIN, PostgresServer
from rich.console import Console

from data_prep.prepare import prepare
from data_prep.shards import ShardSet
from search.finale import conclude
from search.ledger.ledger import Ledger
from search.reporting.report import StudyOutcome
from search.sampling.sampler import make_sampler
from search.study.config import ParameterConfig, SearchConfig
from search.study.space import SearchSpace
from search.study.study import Study, load_study
from search.sweep.sweep import run_sweep
from trainable.config import TrialConfig

STUDY = """
[study]
name = "tiny"
seed = 3
output = "{output}"

[corpus]
layout = "asvspoof2019-la"
root = "{root}"

[features]
kind = "logmel"
num_filters = 20

[trial]
budget_passes = 2
report_passes = 1
model = {{ channels = [4, 6], gru_size = 8 }}
batch = {{ size = 16, crop_s = 1.0 }}
validation = {{ num_resamples = 50 }}

[space]
"optimizer.learning_rate" = {{ low = 1e-3, high = 1e-2, log = true }}
"model.gru_size" = {{ choices = [8, 12] }}

[search]
num_trials = 4
first_rung_passes = 1
rung_trust = false
reduction_factor = 2

[finalists]
num_configs = 2
num_seeds = 2

[cluster]
num_cpus = 2
max_concurrent_trials = 1
"""


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory, sample_root) -> Study:
    path = tmp_path_factory.mktemp("tiny") / "tiny.toml"
    # One output folder for all rooms' tests: who comes second finds the shards.
    path.write_text(STUDY.format(output=tmp_path_factory.getbasetemp() / "results", root=sample_root))
    return load_study(path)


@pytest.fixture(scope="session")
def tiny_shards(tiny_study, ray_session) -> ShardSet:
    return prepare(tiny_study.prep, tiny_study.base, tiny_study.output, progress=False)


@pytest.fixture(scope="session")
def tiny_outcome(tiny_study, tiny_shards) -> StudyOutcome:
    """Swept, finalists trained, champion registered, reported."""
    run_sweep(tiny_study, tiny_shards)
    return conclude(tiny_study, tiny_shards, Console(quiet=True))


@pytest.fixture
def study_of(tmp_path: Path, sample_root: Path) -> Callable[[str, str], Study]:
    """Loads a study from its text, in which ``{output}`` and ``{root}`` of the sample corpus stand, and more text."""

    def load(text: str, more: str) -> Study:
        path = tmp_path / "study.toml"
        path.write_text(text.format(output=tmp_path / "out", root=sample_root) + more)
        return load_study(path)

    return load


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Of a study that searches the dropout alone."""
    space = SearchSpace({"model.dropout": ParameterConfig(low=0.0, high=0.5)})
    sampler = make_sampler(SearchConfig(), 1, space)
    ledger = Ledger(f"sqlite:///{tmp_path}/optuna.db", "study", space, TrialConfig(), sampler)
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    if BIN is None:
        pytest.skip("needs the Debian package postgresql")
    folder = tmp_path_factory.mktemp("postgres")
    for parent in (folder, *folder.parents):
        if parent.is_relative_to(gettempdir()) and parent != Path(gettempdir()):
            parent.chmod(0o755)  # pytest's folders are for root alone
    with PostgresServer.running(folder / "server") as server:
        yield server
