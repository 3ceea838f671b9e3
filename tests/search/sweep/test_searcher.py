"""The searcher's side of Ray Tune's contract; whole runs are in test_sweep.py."""

from pathlib import Path

from ray.tune.search import Searcher

from search.ledger.ledger import Ledger
from search.pruning.asha import Asha
from search.sweep.conductor import Conductor
from search.sweep.searcher import LedgerSearcher


def searcher_of(conductor: Conductor) -> LedgerSearcher:
    return LedgerSearcher(conductor, lambda trial: {"trial_number": trial.number})


def test_hands_out_trials_one_at_a_time_until_the_last(ledger: Ledger) -> None:
    conductor = Conductor(ledger, Asha([], 3), 2, max_concurrent=1)
    searcher = searcher_of(conductor)
    assert searcher.suggest("a") == {"trial_number": 0}
    assert searcher.suggest("b") is None
    conductor.report("a", 900, {"dev_eer": 0.1}, final=True)
    searcher.on_trial_complete("a", {"dev_eer": 0.1})
    assert searcher.suggest("b") == {"trial_number": 1}
    assert searcher.suggest("c") is None  # the last may have to be tried again
    conductor.report("b", 900, {"dev_eer": 0.1}, final=True)
    assert searcher.suggest("c") == Searcher.FINISHED


def test_a_trial_without_a_last_report_waits_for_its_turn(ledger: Ledger) -> None:
    searcher = searcher_of(Conductor(ledger, Asha([], 3), 1))
    searcher.suggest("a")
    searcher.on_trial_complete("a", {"dev_eer": 0.1})
    assert [trial.state for trial in ledger.trials()] == ["WAITING"]


def test_an_error_is_a_failure(ledger: Ledger) -> None:
    searcher = searcher_of(Conductor(ledger, Asha([], 3), 1))
    searcher.suggest("a")
    searcher.on_trial_complete("a", None, error=True)
    (trial,) = ledger.trials()
    assert (trial.state, trial.counts) == ("FAIL", True)


def test_ray_s_snapshot_holds_nothing(ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    folder.mkdir()
    searcher_of(Conductor(ledger, Asha([], 3), 1)).save_to_dir(str(folder))
    assert not list(folder.iterdir())
