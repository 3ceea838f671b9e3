"""Studies that minimise two figures: the ledger, the sampler's view, MLflow and the report."""

import math
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import Study as OptunaStudy
from optuna.trial import TrialState, create_trial
from rich.console import Console
from toys import ToyData, toy_study, toy_trial
from virtual_studies import DropoutCurves, virtual_study

from cluster.errors import SpoofsweepError
from search.finale import conclude
from search.ledger.leaderboard import leaderboard_table, status_lines
from search.ledger.ledger import Ledger
from search.ledger.study_reader import read_trials
from search.pruning.asha import Asha
from search.pruning.front_pruner import FrontPruner
from search.pruning.pruner import Decision
from search.reporting.figures import TradeOff, pareto_figure
from search.reporting.front_runs import TAG, record_front
from search.sampling.bounded_history import MOST_FINISHED, BoundedHistory, BoundedTpe
from search.sampling.pair_history import PairHistory
from search.simulation.virtual_sweep import virtual_sweep
from search.study.objective import EER, SECONDS
from search.study.study import Study
from search.sweep.conductor import Conductor
from search.sweep.sweep import SweepResult, open_ledger, run_sweep

SIZE = SECONDS["num_parameters"]
AXIS = {"x": FloatDistribution(0.0, 1.0)}


def report(conductor: Conductor, key: str, samples_seen: int, eer: float, size: float, final: bool = False) -> Decision:
    return conductor.report(key, samples_seen, {"dev_eer": eer, "num_parameters": size}, final)


def conduct(ledger: Ledger, num_trials: int) -> Conductor:
    pruner = FrontPruner(Asha([100], 3), [100], lambda number: ledger.fact(number, "num_parameters"))
    pruner.replay(ledger.reports())
    return Conductor(ledger, pruner, num_trials, second="num_parameters")


def test_the_second_objective_is_known_before_the_first_decision(ledger: Ledger) -> None:
    conductor = conduct(ledger, 3)
    for key in "abc":
        conductor.next_trial(key)
    assert report(conductor, "a", 100, 0.3, 900) is Decision.CONTINUE
    assert report(conductor, "b", 100, 0.4, 500) is Decision.CONTINUE
    assert report(conductor, "c", 100, 0.5, 700) is Decision.STOP
    assert [trial.attributes["num_parameters"] for trial in ledger.trials()] == [900, 500, 700]
    assert ledger.study.directions == [optuna.study.StudyDirection.MINIMIZE]
    conductor.release_all()
    rebuilt = conduct(ledger, 4)
    for key in "abc":
        rebuilt.next_trial(key)
    assert report(rebuilt, "c", 100, 0.4, 500) is Decision.STOP  # as good as one that was there before
    assert report(rebuilt, "a", 900, 0.1, 900, final=True) is Decision.CONTINUE


def test_what_was_measured_first_holds(ledger: Ledger) -> None:
    """A latency is another one after a resume."""
    conductor = conduct(ledger, 1)
    conductor.next_trial("a")
    report(conductor, "a", 50, 0.3, 12.0)
    conductor.release_all()
    again = conduct(ledger, 1)
    again.next_trial("a")
    report(again, "a", 900, 0.2, 13.0, final=True)
    (trial,) = ledger.trials()
    assert (trial.attributes["num_parameters"], trial.attributes["metrics"]["num_parameters"]) == (12.0, 12.0)


def test_a_study_goes_on_with_its_second_objective(tmp_path: Path) -> None:
    def begin(**search: str) -> None:
        open_ledger(toy_study(tmp_path, "study", 1, search=search), "abc").close()

    toy_study(tmp_path, "study", 1).folder.mkdir(parents=True)
    begin(second_objective="latency_ms")
    with pytest.raises(SpoofsweepError, match=r"search\.second_objective it began with; got none after latency_ms"):
        begin()


def made_study(num_complete: int, num_pruned: int = 0) -> OptunaStudy:
    """The larger x, the better the value, and the larger the size: all that are complete are on the front."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for i in range(num_complete + num_pruned):
        x = (i + 0.5) / (num_complete + num_pruned)
        state = TrialState.COMPLETE if i < num_complete else TrialState.PRUNED
        study.add_trial(
            create_trial(
                state=state,
                value=1 - x,
                params={"x": x},
                distributions=AXIS,
                intermediate_values={3: 1 - x},
                user_attrs={"size": 100 * x},
            )
        )
    return study


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning", "ignore::FutureWarning")
def test_tpe_draws_as_optunas_own_of_a_study_with_two_objectives() -> None:
    """One by one, to the bit, with trials that run on and with conditional parameters."""

    def gamma(number: int) -> int:
        return min(math.ceil(0.1 * number), 25)

    def points(study: OptunaStudy, make: Any) -> list[dict[str, object]]:
        for number in range(30):
            study.sampler = make(multivariate=True, group=True, constant_liar=True, n_startup_trials=1, seed=number)
            trial = study.ask()
            x, size = trial.suggest_float("x", 0.0, 1.0), 1.0
            if trial.suggest_categorical("kind", ["plain", "deep"]) == "deep":
                size += trial.suggest_int("depth", 1, 8)
            values = [(x - 0.3) ** 2 + 1 / size, size * (1 + x)]
            trial.set_user_attr("size", values[1])
            if number % 5:
                study.tell(trial, values[: len(study.directions)])
        return [trial.params for trial in study.get_trials(deepcopy=False)]

    ours = points(optuna.create_study(), lambda **options: BoundedTpe(PairHistory(1, "size"), **options))
    two = optuna.create_study(directions=["minimize", "minimize"])
    assert ours == points(two, lambda **options: optuna.samplers.TPESampler(gamma=gamma, **options))
    one = points(optuna.create_study(), lambda **options: BoundedTpe(BoundedHistory(1), **options))
    assert ours != one


def test_of_a_large_study_the_front_is_seen_from_end_to_end() -> None:
    study = made_study(400, num_pruned=200)
    history = PairHistory(1, "size")
    view = history.view(study, 600)
    trials = view._get_trials(deepcopy=False)
    assert len(trials) == MOST_FINISHED
    assert len(view.directions) == 2
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert all(trial.values == [trial.values[0], trial.user_attrs["size"]] for trial in complete)
    assert {0, 399} <= {trial.number for trial in complete}
    assert study.get_trials(deepcopy=False)[0].values == [study.get_trials(deepcopy=False)[0].value]


def test_trials_of_earlier_studies_teach_both_objectives() -> None:
    earlier, study = made_study(20).get_trials(deepcopy=False), made_study(5)
    history = PairHistory(1, "size")
    history.learn(earlier)
    trials = history.view(study, 6)._get_trials(deepcopy=False)
    assert [trial.number for trial in trials] == list(range(-20, 5))
    assert {tuple(trial.values) for trial in trials[:20]} == {(t.value, t.user_attrs["size"]) for t in earlier}


def test_of_a_large_study_refused_draws_are_seen_as_well() -> None:
    study, history = made_study(MOST_FINISHED + 1), PairHistory(1, "size")
    history.view(study, 200)
    history.learn([create_trial(state=TrialState.PRUNED) for _ in range(2000)])
    trials = history.view(study, 200)._get_trials(deepcopy=False)
    assert len(trials) == MOST_FINISHED
    assert history.num_good == 13
    assert sum(trial.number < 0 for trial in trials) > MOST_FINISHED / 2


def test_a_diverged_trial_is_not_good_because_it_is_small() -> None:
    study = made_study(5)
    attributes = {"size": 0.001, "diverged": True}
    study.add_trial(create_trial(value=1.0, params={"x": 0.5}, distributions=AXIS, user_attrs=attributes))
    trials = PairHistory(1, "size").view(study, 6)._get_trials(deepcopy=False)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 5 + ["PRUNED"]


def test_a_simulated_sweep_knows_the_first_objective_alone() -> None:
    def trials(**search: Any) -> list[Any]:
        config, horizon = virtual_study(**search)
        return [(t.number, t.samples_seen, t.dev_eer) for t in virtual_sweep(config, horizon, DropoutCurves(), 2, 1)]

    assert trials(second_objective="num_parameters") == trials()


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> tuple[Study, SweepResult]:
    """Ten toy trials; the toys' size falls with the dropout, while their EER rises."""
    output = tmp_path_factory.mktemp("swept")
    study = toy_study(output, "sizes", 10, search={"second_objective": "num_parameters"})
    return study, run_sweep(study, ToyData(output), trainable=toy_trial())


def test_a_sweep_finds_the_front(swept: tuple[Study, SweepResult]) -> None:
    study, result = swept
    trials = read_trials(study.storage_url, study.name).trials
    for trial in trials:
        channels, dropout = trial.config.model.channels, trial.config.model.dropout
        assert trial.attributes["num_parameters"] == pytest.approx(1e5 * len(channels) * (1 - dropout))
    front = result.summary.front
    assert len(front) > 2
    assert front[0].number == result.summary.best.number
    values = [(trial.value, trial.attributes["num_parameters"]) for trial in front]
    assert values == sorted(values)
    assert [size for _, size in values] == sorted((size for _, size in values), reverse=True)
    (line,) = (line for line in status_lines(result.summary) if line.startswith("Pareto"))
    assert line == f"Pareto front of dev EER and parameters: trials {', '.join(str(t.number) for t in front)}"
    table = leaderboard_table(trials, 100, objective=EER, second=SIZE)
    assert "parameters" in [column.header for column in table.columns][:7]


def test_the_rungs_of_a_sweep_are_those_rebuilt(swept: tuple[Study, SweepResult]) -> None:
    study, _ = swept
    trials = read_trials(study.storage_url, study.name).trials
    pruner = FrontPruner(Asha([100, 300], 3), [100, 300], lambda n: trials[n].attributes["num_parameters"])
    plain, num_spared = Asha([100, 300], 3), 0
    for trial in trials:
        for step, value in sorted(trial.reports.items()):
            decision = pruner.report(trial.number, step, value)
            assert (decision is Decision.STOP) == (trial.state == "PRUNED" and step == trial.samples_seen)
            num_spared += plain.report(trial.number, step, value) is not decision
    assert num_spared


def test_mlflow_knows_the_front_and_follows_it(swept: tuple[Study, SweepResult], tmp_path: Path) -> None:
    study, result = swept
    client = mlflow.MlflowClient(study.tracking_uri)
    ledger = open_ledger(study, ToyData(study.output).shard_set_id)
    trials, parent = ledger.trials(), ledger.run_id(None)
    ledger.close()
    for name in ("pareto.png", "pareto.md"):
        (tmp_path / name).write_text(name)

    def tags() -> dict[int, str | None]:
        return {t.number: client.get_run(t.attributes["mlflow_run_id"]).data.tags.get(TAG) for t in trials}

    record_front(client, parent, trials, result.summary.front, tmp_path)
    on_front = {trial.number for trial in result.summary.front}
    assert {number for number, tag in tags().items() if tag == "true"} == on_front
    record_front(client, parent, trials, result.summary.front[1:], tmp_path)
    assert tags()[result.summary.front[0].number] == "false"
    assert {file.path for file in client.list_artifacts(parent, "pareto")} == {"pareto/pareto.png", "pareto/pareto.md"}
    run = client.get_run(trials[0].attributes["mlflow_run_id"])
    assert run.data.tags["spoofsweep.second_objective"] == "num_parameters"
    assert run.data.metrics["num_parameters"] == trials[0].attributes["num_parameters"]


def test_the_figure_shows_the_front_as_a_step() -> None:
    points = [TradeOff(n, 0.1 + 0.05 * n, 10 ** (6 - n), n != 2, n == 0) for n in range(4)]
    (axes,) = pareto_figure(points, EER, SIZE.label).axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("parameters", "dev EER (%)", "log")
    assert list(axes.lines[0].get_xdata()) == [1e3, 1e5, 1e6]
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0"]


@pytest.mark.long
@pytest.mark.parametrize("second", ["num_parameters", "latency_ms"])
def test_a_study_ends_with_its_front(tiny_study: Study, tiny_shards: Any, tmp_path: Path, second: str) -> None:
    """Slow: two sweeps with their finalists."""
    values = tiny_study.config.model_dump()
    values["study"] |= {"name": "front", "output": str(tmp_path)}
    values["shards"]["store"] = str(tiny_study.shards_folder)
    values["search"] |= {"num_trials": 3, "second_objective": second}
    values["finalists"] = {"num_configs": 2, "num_seeds": 1}
    study = Study(tiny_study.path, type(tiny_study.config).model_validate(values))
    run_sweep(study, tiny_shards)
    outcome = conclude(study, tiny_shards, Console(quiet=True))
    front = outcome.summary.front
    assert all(trial.attributes[second] > 0 for trial in outcome.trials)
    assert front[0].value == outcome.summary.best.value
    assert {standing.trial_number for standing in outcome.ranking} >= {trial.number for trial in front[:1]}
    text = (study.folder / "report" / "report.md").read_text()
    assert f"## Pareto front of dev EER and {SECONDS[second].label}" in text
    assert (study.folder / "report" / "pareto.png").read_bytes().startswith(b"\x89PNG")
    client = mlflow.MlflowClient(study.tracking_uri)
    assert client.get_run(front[0].attributes["mlflow_run_id"]).data.tags[TAG] == "true"
