"""A population trained by Ray on the sample corpus, its finalists, and its runs trained again."""

import io
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console

from search.finale import conclude
from search.ledger.leaderboard import leaderboard_table
from search.ledger.study_reader import read_trials
from search.reporting.model_card import schedule_section
from search.reporting.report import StudyOutcome
from search.reproduce import reproduce
from search.study.study import Study
from search.sweep.sweep import run_sweep
from search.tracking.lineage_tags import lineage_of
from search.trials.trial_record import TrialRecord

pytestmark = [pytest.mark.slow, pytest.mark.long]
CHANGES: dict[str, dict[str, Any]] = {
    "trial": {"budget_passes": 3},
    "space": {
        "optimizer.learning_rate": {"low": 1e-3, "high": 1e-2, "log": True},
        "model.dropout": {"low": 0.0, "high": 0.5},
        "batch.size": {"choices": [8, 16]},
        "model.gru_size": {"choices": [8, 12]},
    },
    "search": {"num_trials": 4, "pruning": "population", "ready_passes": 1, "replaced_share": 0.5},
    "finalists": {"num_configs": 4, "num_seeds": 1},
}


def study_of(tiny_study: Study, name: str) -> Study:
    """As the tiny study, on its shards."""
    values = tiny_study.config.model_dump()
    values["trial"] |= CHANGES["trial"]
    values |= {section: CHANGES[section] for section in ("space", "search", "finalists")}
    values["study"] |= {"name": name}
    return Study(tiny_study.path, type(tiny_study.config).model_validate(values))


@pytest.fixture(scope="module")
def study(tiny_study: Study) -> Study:
    return study_of(tiny_study, "population")


@pytest.fixture(scope="module")
def outcome(study: Study, tiny_shards: Any) -> StudyOutcome:
    run_sweep(study, tiny_shards)
    return conclude(study, tiny_shards, Console(quiet=True))


def facts(trials: list[TrialRecord]) -> list[tuple[Any, ...]]:
    """Everything but names of runs, times, and how often trials were begun."""
    names = ("config", "seed", "signature", "parent", "replaces", "lineage", "prune_rung", "heir")
    return [(t.state, t.params, t.reports, {n: t.attributes.get(n) for n in names}) for t in trials]


def test_places_are_handed_on_and_trained_to_their_end(outcome: StudyOutcome, study: Study) -> None:
    """Slow, as all here: a sweep of real trials."""
    trials = list(outcome.trials)
    heirs = [trial for trial in trials if trial.lineage]
    assert heirs
    assert sum(trial.state == "COMPLETE" for trial in trials) == 4
    assert len(trials) == 4 + sum(trial.is_replaced for trial in trials)
    for heir in heirs:
        parent = trials[heir.attributes["parent"]]
        assert heir.forked_at in parent.reports
        assert min(heir.reports, default=heir.forked_at + 1) > heir.forked_at
        assert heir.config.model.gru_size == parent.config.model.gru_size
    assert not list((study.folder / "checkpoints").iterdir())
    assert 0 < len(list((study.folder / "forks").iterdir())) <= 2 * 2


def test_mlflow_and_the_tables_show_who_came_from_whom(outcome: StudyOutcome, study: Study) -> None:
    """Slow: see above."""
    client = MlflowClient(study.tracking_uri)
    heirs = [trial for trial in outcome.trials if trial.lineage]
    for heir in heirs:
        run = client.get_run(heir.attributes["mlflow_run_id"])
        assert run.data.tags["spoofsweep.parent"] == str(heir.attributes["parent"])
        assert run.data.tags["spoofsweep.forked_at"] == str(heir.forked_at)
        tags = {name.removeprefix("spoofsweep."): value for name, value in run.data.tags.items()}
        assert lineage_of(tags) == heir.lineage
        logged = client.get_metric_history(run.info.run_id, "dev_eer")
        assert {metric.step for metric in logged} == set(heir.reports)
    console = Console(width=200, file=io.StringIO())
    console.print(leaderboard_table(outcome.trials, outcome.horizon.samples_per_pass))
    origin = f"{heirs[0].attributes['parent']} at {heirs[0].forked_at / outcome.horizon.samples_per_pass:.3g}"
    assert origin in console.file.getvalue()  # type: ignore[attr-defined]
    assert origin in (study.folder / "report" / "report.md").read_text()


def test_finalists_train_the_whole_schedule_with_their_own_seeds(outcome: StudyOutcome, study: Study) -> None:
    """Slow: see above."""
    finalists = {f.candidate.trial_number: f for standing in outcome.ranking for f in standing.finalists}
    heirs = [trial for trial in outcome.trials if trial.lineage and trial.number in finalists]
    assert heirs
    client = MlflowClient(study.tracking_uri)
    for heir in heirs:
        record = finalists[heir.number].record
        assert [a.trial for a in record.lineage] == [a.trial for a in heir.lineage]
        assert {a.seed for a in record.lineage} == {record.seed}
        assert [report.samples_seen for report in record.history][-len(heir.reports) :] == sorted(heir.reports)
        (section, changes) = schedule_section(finalists[heir.number])
        assert "population-based" in section
        assert f"from {heir.forked_at:,} samples on" in changes
        query = f"tags.`spoofsweep.kind` = 'finalist' and tags.`spoofsweep.signature` = '{record.signature}'"
        experiment = client.get_experiment_by_name("spoofsweep")
        assert experiment is not None
        (run,) = client.search_runs([experiment.experiment_id], query)
        again = reproduce(run.info.run_id, study.tracking_uri, study.output / "shards", console=Console(quiet=True))
        assert (again.verdict, len(again.reproduced)) == ("same", len(record.history))


def test_a_forked_trial_is_reproduced_bit_for_bit(outcome: StudyOutcome, study: Study, tmp_path: Path) -> None:
    """Slow: it trains the ancestors again."""
    heir = max((trial for trial in outcome.trials if trial.reports), key=lambda trial: len(trial.lineage))
    assert heir.lineage
    run_id = heir.attributes["mlflow_run_id"]
    again = reproduce(
        run_id, study.tracking_uri, study.output / "shards", save=tmp_path / "m", console=Console(quiet=True)
    )
    assert again.verdict == "same"
    assert again.reproduced == heir.reports


def test_interrupted_at_every_turn_it_ends_as_if_it_had_not_been(
    outcome: StudyOutcome, tiny_study: Study, tiny_shards: Any
) -> None:
    """Slow: several sweeps."""
    broken = study_of(tiny_study, "interrupted")

    class Interrupter:
        """Presses Ctrl-C at the second report of a sweep."""

        num_reports = 0

        def trial_started(self, trial: TrialRecord) -> None:
            pass

        def trial_reported(self, trial: TrialRecord) -> None:
            self.num_reports += 1
            if self.num_reports == 2:
                os.kill(os.getpid(), signal.SIGINT)

        def trial_ended(self, trial: TrialRecord) -> None:
            pass

    num_sweeps = 1
    while run_sweep(broken, tiny_shards, listeners=[Interrupter()]).stop_reason is not None:
        num_sweeps += 1
    assert num_sweeps > 4
    assert facts(list(read_trials(broken.storage_url, broken.name)[0])) == facts(list(outcome.trials))
