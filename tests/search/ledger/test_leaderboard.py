import io
import math

import pytest
from rich.console import Console

from search.ledger.leaderboard import (
    finished_standings,
    leaderboard_table,
    ranked,
    rung_table,
    status_lines,
    summarise,
    varying,
)
from search.pruning.rung_trust import RungTrust
from search.trials.trial_record import TrialRecord


def trial(number, state, reports, value=None, **attributes):
    params = {"optimizer.learning_rate": 0.001 * (number + 1), "model.dropout": 0.1, "loss.kind": number % 2}
    params |= {"batch.kind": number} if number else {}
    return TrialRecord(number, state, params, reports, value, attributes)


TRIALS = [
    trial(0, "COMPLETE", {100: 0.4, 300: 0.3}, 0.3),
    trial(1, "PRUNED", {100: 0.5}, prune_rung=100),
    trial(2, "FAIL", {100: 0.1}, reason="crashed"),
    trial(3, "COMPLETE", {100: 0.3, 300: 0.2}, 0.2, metrics={"dev_eer_low": 0.15, "dev_eer_high": 0.26}),
    trial(4, "PRUNED", {100: 0.35, 200: 0.36}),
    trial(5, "RUNNING", {}),
    trial(6, "WAITING", {100: 0.1}, attempt=1),
    trial(7, "COMPLETE", {100: 0.45, 300: 0.25}, 0.25, mlflow_run_id="0123456789abcdef"),
]


def printed(renderable, width=160):
    console = Console(width=width, file=io.StringIO())
    console.print(renderable)
    return console.file.getvalue()


def test_finished_trials_come_first_by_eer_and_those_that_wait_last():
    queued = trial(8, "WAITING", {})
    assert [t.number for t in ranked([*TRIALS, queued])] == [3, 7, 0, 5, 4, 1, 2, 6]


def test_nan_is_last_among_its_like():
    broken = trial(8, "PRUNED", {200: math.nan})
    assert [t.number for t in ranked([broken, TRIALS[4]])] == [4, 8]


def test_summary_counts_rungs_and_compute():
    summary = summarise(TRIALS, rungs=[100, 200], budget=300, samples_per_pass=100)
    assert summary.num_by_state == {"COMPLETE": 3, "PRUNED": 2, "FAIL": 1, "RUNNING": 1, "WAITING": 1}
    assert summary.best is TRIALS[3]
    first, second = summary.rungs
    assert (first.passes, first.num_reached, first.num_stopped, first.standing.num_trials) == (1.0, 7, 1, 3)
    assert (second.num_reached, second.num_stopped) == (4, 0)
    assert first.standing.correlation == pytest.approx(1 / 3)
    assert first.prunes
    assert summary.compute_saved == pytest.approx(1 - (300 + 100 + 300 + 200 + 300) / 1500)


def test_an_empty_study_has_a_status():
    summary = summarise([], [100], 300, 100)
    assert status_lines(summary) == [
        "Trials: none yet",
        "Pruned: 0 of 0 trials, which saved 0% of the training compute",
    ]


def test_status_names_the_best_with_its_interval():
    lines = status_lines(summarise(TRIALS, [100], 300, 100))
    assert lines[0] == "Trials: 3 complete, 1 running, 2 pruned, 1 fail, 1 waiting"
    assert lines[1] == "Best: trial 3, dev EER 20.00% (15.00 to 26.00%)"


def test_the_best_is_none_that_diverged():
    diverged = trial(0, "COMPLETE", {100: 1.0}, 1.0, diverged=True)
    summary = summarise([diverged], [100], 300, 100)
    assert summary.num_by_state == {"COMPLETE": 1}
    assert summary.best is None
    assert not any("Best" in line for line in status_lines(summary))


def test_only_parameters_that_vary_are_shown_by_names_that_tell_them_apart():
    assert varying(TRIALS) == {
        "optimizer.learning_rate": "learning_rate",
        "loss.kind": "loss.kind",
        "batch.kind": "batch.kind",
    }


def test_table_ranks_finished_trials_only_and_shortens_runs():
    lines = printed(leaderboard_table(TRIALS, samples_per_pass=100, limit=5)).splitlines()
    assert len(lines) == 6
    assert lines[1].split()[:4] == ["1", "3", "complete", "20.00%"]
    assert lines[2].split()[-1] == "01234567"
    assert lines[5].split()[:4] == ["4", "pruned", "36.00%", "-"]


def test_rung_table_shows_correlation_where_it_is_defined():
    lines = printed(rung_table(summarise(TRIALS, [100, 250], 300, 100))).splitlines()
    assert lines[1].split() == ["1", "1", "7", "1", "0.33", "(3", "trials)", "yes"]
    only_one = summarise(TRIALS[:1], [100], 300, 100)
    assert printed(rung_table(only_one)).splitlines()[1].split()[-2] == "-"


def test_rank_correlation_of_rungs():
    def course(number, early, final):
        return TrialRecord(number, "COMPLETE" if final else "PRUNED", {}, {120: early, 900: final or 0.9}, final)

    trials = [course(0, 0.5, 0.1), course(1, 0.4, 0.2), course(2, 0.3, 0.3), course(3, 0.1, None)]
    standings = finished_standings(trials, [100, 300, 1000])
    assert [standings[rung].correlation for rung in (100, 300)] == [-1.0, 1.0]
    assert [standings[rung].num_trials for rung in (100, 300, 1000)] == [3, 3, 0]
    assert math.isnan(standings[1000].correlation)


def test_a_rung_that_has_not_earned_trust_is_said_to_be_skipped_and_why():
    trust = RungTrust([100, 200], 300, seed=1, num_first=8, share=0.0)
    for number in range(8):
        for samples_seen, value in ((100, 0.5 - number / 100), (200, number / 100), (300, number / 100)):
            trust.observe(number, samples_seen, value)
    lines = printed(rung_table(summarise(TRIALS, [100, 200], 300, 100, trust))).splitlines()
    assert lines[1].endswith("-1.00 (-1.00 to -0.92, 8 trials)  no: it may rank no better than 0.25")
    assert lines[2].split()[4:] == ["1.00", "(0.92", "to", "1.00,", "8", "trials)", "yes"]
    new = RungTrust([100], 300, seed=1, num_first=8, share=0.0)
    assert "no: 0 of 5 witnesses" in printed(rung_table(summarise(TRIALS, [100], 300, 100, new)))


def test_only_the_parameters_give_way_on_a_narrow_terminal():
    first = printed(leaderboard_table(TRIALS, 100), width=80).splitlines()[1].split()
    assert first[:6] == ["1", "3", "complete", "20.00%", "15.00", "to"]
    assert "0123456" in printed(leaderboard_table(TRIALS, 100), width=80)
