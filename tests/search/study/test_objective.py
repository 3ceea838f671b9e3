"""What a study minimises: the pooled EER unless it says otherwise."""

import io
import math
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pytest
from pydantic import ValidationError
from rich.console import Console
from toys import ToyData, toy_study, toy_trial

from cluster.errors import SpoofsweepError
from search.finalists.candidates import select
from search.ledger.leaderboard import leaderboard_table, status_lines, summarise
from search.ledger.ledger import Ledger
from search.ledger.study_reader import read_trials
from search.planning.plan import make_plan, notes
from search.planning.preview import preview
from search.pruning.asha import Asha
from search.pruning.pruner import Decision
from search.reporting.figures import HistoryPoint, history_figure
from search.study.config import FinalistsConfig, StudyConfig
from search.study.objective import EER, OBJECTIVES
from search.study.study import Study, load_study
from search.sweep.conductor import Conductor
from search.sweep.progress import SweepProgress
from search.sweep.sweep import open_ledger, run_sweep
from search.trials.trial_record import TrialRecord
from trainable.config import TrialConfig
from trainable.scores.report import WORST_DEV

MIN_DCF, WORST_ATTACK = OBJECTIVES["min_dcf"], OBJECTIVES["worst_attack_eer"]


def printed(renderable: Any) -> str:
    console = Console(width=160, file=io.StringIO())
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined]


def trial(number: int, value: float, eer: float) -> TrialRecord:
    config = TrialConfig.model_validate({"model": {"dropout": number / 10}}).model_dump(mode="json")
    attributes = {"config": config, "metrics": {"dev_eer": eer, "dev_eer_low": eer - 0.01, "dev_eer_high": eer + 0.01}}
    return TrialRecord(number, "COMPLETE", {"model.dropout": number / 10}, {900: value}, value, attributes)


TRIALS = [trial(0, 0.2, 0.05), trial(1, 0.1, 0.08), trial(2, 0.3, 0.01)]


def test_every_objective_is_reported_also_by_a_trial_that_diverged() -> None:
    choices = StudyConfig.model_fields["search"].annotation.model_fields["objective"].annotation.__args__  # type: ignore[union-attr]
    assert set(choices) == set(OBJECTIVES)
    for objective in OBJECTIVES.values():
        assert WORST_DEV[objective.metric] == 1.0


@pytest.mark.parametrize(
    ("search", "budget", "complaint"),
    [
        ({"objective": "min_dcf", "noise_budget": 0.1}, {}, "noise of objective 'eer' alone, not 'min_dcf'"),
        ({"objective": "min_dcf"}, {"target_eer": 0.1}, "needs a search.objective that is an EER, not 'min_dcf'"),
        ({"objective": "dcf"}, {}, "min_dcf"),
        (
            {"second_objective": "latency_ms", "sampler": "gp"},
            {},
            "needs the sampler auto, tpe, random or qmc, not 'gp'",
        ),
    ],
)
def test_settings_that_contradict_the_objective_are_refused(
    tmp_path: Path, search: dict[str, Any], budget: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        toy_study(tmp_path, "wrong", 1, search=search, budget=budget)
    toy_study(tmp_path, "right", 1, search={"objective": "mean_attack_eer"}, budget={"target_eer": 0.1})


def test_the_conductor_minimises_what_it_is_told_to(ledger: Ledger) -> None:
    conductor = Conductor(ledger, Asha([100], 3), 3, metric=WORST_ATTACK.metric)
    for key in "abc":
        conductor.next_trial(key)
    assert conductor.report("a", 100, {"dev_eer": 0.3, "dev_worst_attack_eer": 0.4}, final=False) is Decision.CONTINUE
    assert conductor.report("b", 100, {"dev_eer": 0.2, "dev_worst_attack_eer": 0.5}, final=False) is Decision.STOP
    conductor.report("a", 900, {"dev_eer": 0.2, "dev_worst_attack_eer": 0.35}, final=True)
    conductor.report("c", 50, {"dev_eer": 0.2, "dev_worst_attack_eer": math.nan}, final=False)
    first, _, sick = ledger.trials()
    assert (first.reports, first.value) == ({100: 0.4, 900: 0.35}, 0.35)
    assert first.attributes["metrics"]["dev_eer"] == 0.2
    assert sick.attributes["reason"] == "dev_worst_attack_eer is nan"


def test_a_study_goes_on_with_its_objective(tmp_path: Path) -> None:
    def begin(objective: str) -> None:
        open_ledger(toy_study(tmp_path, "study", 1, search={"objective": objective}), "abc").close()

    study = toy_study(tmp_path, "study", 1)
    study.folder.mkdir(parents=True)
    begin("min_dcf")
    begin("min_dcf")
    with pytest.raises(SpoofsweepError, match=r"search\.objective it began with; got eer after min_dcf; .* new name"):
        begin("eer")
    assert read_trials(study.storage_url, study.name).objective == "min_dcf"


def test_a_study_of_before_there_was_a_choice_minimises_the_pooled_eer(tmp_path: Path) -> None:
    study = toy_study(tmp_path, "study", 1, search={"objective": "min_dcf"})
    study.folder.mkdir(parents=True)
    optuna.create_study(storage=study.storage_url, study_name=study.name).set_user_attr("shard_set_id", "abc")
    assert read_trials(study.storage_url, study.name).objective == "eer"
    with pytest.raises(SpoofsweepError, match=r"search\.objective it began with; got min_dcf after eer"):
        open_ledger(study, "abc")


def test_the_eer_stays_beside_what_is_minimised() -> None:
    summary = summarise(TRIALS, [], 900, 100, objective=MIN_DCF)
    assert status_lines(summary)[1] == "Best: trial 1, dev minDCF 0.1000, dev EER 8.00% (7.00 to 9.00%)"
    heading, first, *_ = printed(leaderboard_table(TRIALS, 100, objective=MIN_DCF)).splitlines()
    assert "dev minDCF dev EER interval" in " ".join(heading.split())
    assert first.split()[:5] == ["1", "1", "complete", "0.1000", "8.00%"]
    progress = SweepProgress(Console(quiet=True), 3, 900, TRIALS, objective=WORST_ATTACK)
    assert progress.facts()["best worst attack EER"] == "10.00%, dev EER 8.00% (7.00 to 9.00%), trial 1"


def test_of_a_running_trial_the_ledger_tells_no_eer_if_another_figure_is_minimised() -> None:
    running = TrialRecord(3, "RUNNING", {}, {100: 0.4}, None)
    assert printed(leaderboard_table([running], 100, objective=MIN_DCF)).splitlines()[1].split()[:4] == [
        *("3", "running", "0.4000", "-")
    ]
    assert "40.00%" in printed(leaderboard_table([running], 100))


def test_the_history_is_drawn_in_the_units_of_the_objective() -> None:
    points = [HistoryPoint(each.number, each.state, each.value) for each in TRIALS]
    for objective, label, best in ((MIN_DCF, "dev minDCF", 0.1), (WORST_ATTACK, "worst attack EER (%)", 10.0)):
        (axes,) = history_figure(points, objective).axes
        assert axes.get_ylabel() == label
        assert min(axes.lines[-1].get_ydata()) == pytest.approx(best)  # type: ignore[type-var]


def test_candidates_of_folds_keep_the_objective_and_the_eer_of_the_sweep() -> None:
    folds = (("A01",), ("A02",))
    first, second = select(TRIALS, FinalistsConfig(num_configs=2, num_seeds=1), 7, folds, MIN_DCF)
    assert [(c.trial_number, c.fold_value, c.fold_eer) for c in (first, second)] == [(1, 0.1, 0.08), (0, 0.2, 0.05)]
    (plain,) = select(TRIALS, FinalistsConfig(num_configs=1, num_seeds=1), 7)
    assert (plain.fold_value, plain.fold_eer, plain.objective) == (None, None, EER)


@pytest.fixture
def corpus_study(tmp_path: Path, sample_root: Path) -> Any:
    def load(more: str, *, has_names: bool = True) -> Study:
        text = f'[study]\nname = "attacks"\noutput = "{tmp_path}"\n'
        if has_names:
            text += f'[corpus]\nlayout = "asvspoof2019-la"\nroot = "{sample_root}"\n'
        else:
            rows = [
                f"{path},{label},{split},{split}"
                for split, label, path in (line.split(maxsplit=2) for line in _files(sample_root))
            ]
            (tmp_path / "manifest.csv").write_text("\n".join(["path,label,split,speaker", *rows]) + "\n")
            text += '[corpus]\nlayout = "manifest"\nroot = "manifest.csv"\n'
        (tmp_path / "study.toml").write_text(text + more)
        return load_study(tmp_path / "study.toml")

    return load


def _files(sample_root: Path) -> list[str]:
    found = []
    for split, kind in (("train", "trn"), ("dev", "trl")):
        protocol = sample_root / "ASVspoof2019_LA_cm_protocols" / f"ASVspoof2019.LA.cm.{split}.{kind}.txt"
        for line in protocol.read_text().splitlines():
            _, name, _, _, label = line.split()
            found.append(f"{split} {label} {sample_root / f'ASVspoof2019_LA_{split}' / 'flac' / name}.flac")
    return found


def test_without_names_of_attacks_none_can_count_by_itself(corpus_study: Any) -> None:
    study = corpus_study('[search]\nobjective = "worst_attack_eer"\n', has_names=False)
    with pytest.raises(SpoofsweepError, match=r"dev spoofs whose attack has a name; got \d+ without one; minimise"):
        preview(study)
    assert preview(corpus_study("", has_names=False)).notes == ()


def test_attacks_with_few_spoofs_are_told_where_each_counts_by_itself(corpus_study: Any) -> None:
    search = '[search]\nobjective = "mean_attack_eer"\n'
    for policy in ("", "[validation]\nfolds = 3\n"):
        (note,) = preview(corpus_study(search + policy)).notes
        assert "some have few spoofs: A01 (" in note
        assert note.count("A0") == 6
    assert preview(corpus_study("")).notes == ()


def test_a_plan_says_that_it_knows_the_pooled_eer_alone(corpus_study: Any) -> None:
    space = "[space]\nmodel.dropout = { low = 0.0, high = 0.5 }\n"
    study = corpus_study('[search]\nobjective = "min_dcf"\nnum_trials = 3\n' + space)
    told = notes(make_plan(study, 1.0, 1, Console(quiet=True)))
    assert "trials are simulated by their pooled EER; the dev minDCF, which is minimised, may rank otherwise" in told


@pytest.mark.usefixtures("ray_session")
def test_a_sweep_minimises_its_objective(tmp_path: Path) -> None:
    """The toys' minDCF ranks them the other way round than their EER."""
    study = toy_study(tmp_path, "costs", 6, search={"objective": "min_dcf"})
    result = run_sweep(study, ToyData(tmp_path), trainable=toy_trial())
    trials = read_trials(study.storage_url, study.name).trials
    complete = [t for t in trials if t.state == "COMPLETE"]
    pruned = [t for t in trials if t.state == "PRUNED"]
    assert complete
    assert pruned
    for each in (*complete, *pruned):
        assert each.reports[each.samples_seen] == each.attributes["metrics"]["dev_min_dcf"]
    best = result.summary.best
    assert best is not None
    assert best.config.model.dropout == max(t.config.model.dropout for t in complete)
    client = mlflow.MlflowClient(study.tracking_uri)
    runs = client.search_runs(["1"], "tags.`spoofsweep.objective` = 'min_dcf'")
    assert len(runs) == 7
    (parent,) = (run for run in runs if run.data.tags["spoofsweep.kind"] == "study")
    assert parent.data.metrics["best_dev_min_dcf"] == best.value
    assert parent.data.metrics["best_dev_eer"] == best.attributes["metrics"]["dev_eer"]
    with pytest.raises(SpoofsweepError, match=r"search\.objective it began with"):
        run_sweep(toy_study(tmp_path, "costs", 9), ToyData(tmp_path), trainable=toy_trial())
