"""Population-based training: who is replaced, by whom, and what becomes of it when drivers die. Without Ray."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pruner_contract import RUNGS, PrunerContract
from virtual_studies import SAMPLES_PER_PASS, virtual_study

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from search.ledger.ledger import Ledger
from search.planning.forecast import forecast
from search.pruning.horizon import Horizon
from search.pruning.population import Population
from search.pruning.pruner import Decision
from search.pruning.pruners import make_pruner
from search.sampling.sampler import make_sampler
from search.simulation.simulator import SimulatedTrial, simulate
from search.simulation.synthetic_curves import FAMILIES, SyntheticCurves
from search.simulation.virtual_sweep import virtual_sweep
from search.storage.storage import MEMORY
from search.study.config import ParameterConfig, SearchConfig, StudyConfig
from search.study.space import SearchSpace
from search.sweep.checkpoint_keeper import CheckpointKeeper
from search.sweep.conductor import Conductor
from search.sweep.fork_keeper import ForkKeeper
from search.sweep.succession import Succession, free_parameters, perturbed
from search.tracking.lineage_tags import lineage_of, lineage_tags
from search.trials.trial_record import HEIR, TrialRecord
from trainable.checkpoints.lineage import Ancestor, may_change
from trainable.config import TrialConfig

CONTINUE, STOP = Decision.CONTINUE, Decision.STOP


class TestPopulation(PrunerContract):
    def pruner(self) -> Population:
        return Population(RUNGS, 120, 0.25, seed=1)


def population(num_members: int = 8, share: float = 0.25) -> Population:
    return Population([100, 200], num_members, share, seed=1)


def test_the_worst_share_is_replaced_once_there_are_enough() -> None:
    members = population()
    told = [0.5, 0.6, 0.7, 0.8, 0.1, 0.9, 0.2, 0.75, 0.85]
    decisions = [members.report(trial, 100, value) for trial, value in enumerate(told)]
    assert decisions == [CONTINUE, CONTINUE, CONTINUE, STOP, CONTINUE, STOP, CONTINUE, CONTINUE, STOP]


def test_a_plateau_replaces_nobody() -> None:
    members = population()
    assert all(members.report(trial, 100, 0.5) is CONTINUE for trial in range(20))


def test_donors_are_among_the_best_and_drawn_by_seed_and_number() -> None:
    members = population(40)
    for trial in range(40):
        members.report(trial, 100, 0.5 - trial / 100)
    drawn = Counter(members.donor(100, trial) for trial in range(200))
    assert set(drawn) == set(range(30, 40))
    assert members.candidates(100) == list(range(39, 29, -1))
    assert [members.donor(100, trial) for trial in range(200)] == [members.donor(100, trial) for trial in range(200)]


def test_who_falls_out_of_the_candidates_never_comes_back() -> None:
    members, rng = population(40), np.random.default_rng(1)
    fallen: set[int] = set()
    for trial in range(40):
        before = set(members.candidates(100))
        members.report(trial, 100, float(rng.random()))
        after = set(members.candidates(100))
        fallen |= before - after
        assert not fallen & after


def test_an_heir_is_compared_beyond_its_fork() -> None:
    members = population()
    members.births[1] = 105
    members.report(0, 100, 0.5)
    assert members.report(1, 150, 0.1) is CONTINUE
    assert members.report(1, 200, 0.1) is CONTINUE
    assert members.recorded == {100: {0: 0.5}, 200: {1: 0.1}}


def test_perturbed_values_stay_in_their_range_and_on_their_grid() -> None:
    rate = FloatDistribution(1e-4, 1e-2, log=True)
    assert perturbed(1e-3, 1.2, rate) == pytest.approx(1.2e-3)
    assert perturbed(9e-3, 1.2, rate) == 1e-2
    assert perturbed(1.1e-4, 0.8, rate) == 1e-4
    assert perturbed(0.25, 0.8, FloatDistribution(0.0, 1.0, step=0.25)) == 0.0
    size = IntDistribution(8, 64, step=8)
    assert [perturbed(value, factor, size) for value in (8, 16, 64) for factor in (0.8, 1.2)] == [8, 16, 8, 24, 48, 64]
    assert [perturbed(2, factor, IntDistribution(0, 10)) for factor in (0.8, 1.2)] == [1, 3]
    assert perturbed("a", 1.2, CategoricalDistribution(["a", "b"])) == "a"


def parameters(**paths: dict[str, Any]) -> SearchSpace:
    return SearchSpace({path.replace("__", "."): ParameterConfig.model_validate(p) for path, p in paths.items()})


def test_the_network_is_held_and_what_it_depends_on() -> None:
    kinds = {"choices": ["constant", "cosine"]}
    gru = {"low": 8, "high": 16, "when": {"optimizer.schedule": "cosine"}}
    space = parameters(model__gru_size=gru, optimizer__schedule=kinds, optimizer__l1={"low": 0.0, "high": 1.0})
    assert free_parameters(space) == ["optimizer.l1"]
    with pytest.raises(SpoofsweepError, match=r"model\.gru_size, held fixed within a lineage"):
        free_parameters(parameters(model__gru_size={"low": 8, "high": 16}))


def population_study(num_members: int = 12, **search: Any) -> tuple[StudyConfig, Horizon]:
    settings = {"pruning": "population", "num_trials": num_members, "replaced_share": 0.25, "ready_passes": 2}
    return virtual_study(**{**settings, **search})


def curves_of(config: StudyConfig, horizon: Horizon) -> SyntheticCurves:
    return SyntheticCurves(SearchSpace(config.space), horizon, FAMILIES["benign"], 3, num_dev=(100, 900))


def conductor_of(config: StudyConfig, horizon: Horizon, ledger: Ledger, space: SearchSpace) -> Conductor:
    pruner = make_pruner(config.search, horizon, 5)
    assert isinstance(pruner, Population)
    ledger.requeue_unfinished()
    succession = Succession(pruner, ledger, space, 5)
    pruner.replay(ledger.reports())
    return Conductor(ledger, pruner, config.search.num_trials, succession=succession)


def swept(config: StudyConfig, horizon: Horizon, num_workers: int) -> list[TrialRecord]:
    space = SearchSpace(config.space)
    sampler = make_sampler(config.search, 5, space)
    ledger = Ledger(MEMORY, "virtual", space, config.trial, sampler, 5)
    list(simulate(conductor_of(config, horizon, ledger, space), curves_of(config, horizon), num_workers))
    return ledger.trials()


@pytest.fixture(scope="module")
def records() -> list[TrialRecord]:
    return swept(*population_study(), num_workers=4)


def test_every_place_is_trained_to_its_end_once(records: list[TrialRecord]) -> None:
    assert sum(trial.state == "COMPLETE" for trial in records) == sum(trial.counts for trial in records) == 12
    heirs = [trial for trial in records if trial.lineage]
    replaced = [trial for trial in records if trial.is_replaced]
    assert heirs
    assert sorted(trial.attributes["replaces"] for trial in heirs) == [trial.number for trial in replaced]
    ended = {trial.number: trial for trial in records}
    for heir in heirs:
        parent, place = ended[heir.attributes["parent"]], ended[heir.attributes["replaces"]]
        assert heir.forked_at in parent.reports
        assert min(heir.reports) == heir.forked_at + SAMPLES_PER_PASS  # it goes on where its parent was
        assert place.attributes["prune_rung"] == heir.forked_at == max(place.reports)
        assert parent.reports[heir.forked_at] < place.reports[heir.forked_at]
        assert heir.lineage[:-1] == parent.lineage
        assert (heir.lineage[-1].trial, heir.lineage[-1].seed) == (parent.config, parent.seed)


def test_heirs_differ_from_their_parents_in_what_may_change_alone(records: list[TrialRecord]) -> None:
    heirs = [trial for trial in records if trial.lineage]
    for heir in heirs:
        parent = records[heir.attributes["parent"]]
        changed = {path for path in heir.params if heir.params[path] != parent.params[path]}
        assert changed <= {"optimizer.learning_rate", "model.dropout"}
        assert all(map(may_change, changed))
        assert heir.config != parent.config
        assert heir.seed != parent.seed


def test_it_repeats_itself(records: list[TrialRecord]) -> None:
    assert swept(*population_study(), num_workers=4) == records


@pytest.mark.parametrize("num_workers", [1, 5, 12])
def test_the_virtual_sweep_trains_as_long_as_its_members_alone(num_workers: int) -> None:
    config, horizon = population_study()
    trials: list[SimulatedTrial] = list(virtual_sweep(config, horizon, curves_of(config, horizon), num_workers, 5))
    trained = sum(len(trial.curve.samples_seen) for trial in trials if trial.completed or trial.curve.diverged)
    assert sum(trial.completed or trial.curve.diverged for trial in trials) == 12
    assert trained < 12 * 9  # the rest of it by those that were replaced


def test_the_forecast_counts_every_place_once_a_comparison() -> None:
    config, horizon = population_study()
    expected = forecast(config, horizon, 60.0, num_workers=4, num_dev=(100, 900))
    assert all(11 <= rung.reached.mean <= 12 for rung in expected.rungs)  # all but those that diverged
    assert all(rung.continuing.mean < rung.reached.mean for rung in expected.rungs)
    assert expected.busy_s.mean <= config.search.num_trials * expected.full_s


def test_a_population_ends_better_than_the_same_members_alone() -> None:
    """Over five landscapes, by the mean of the members."""
    gains = []
    for seed in range(5):
        ends = []
        for search in ({}, {"pruning": "none", "sampler": "qmc"}):
            config, horizon = population_study(**search) if not search else virtual_study(num_trials=12, **search)
            curves = SyntheticCurves(SearchSpace(config.space), horizon, FAMILIES["benign"], seed)
            found = virtual_sweep(config, horizon, curves, 12, seed)
            ends.append(np.mean([trial.expected_eer for trial in found if trial.completed]))
        gains.append(ends[1] - ends[0])
    assert min(gains) > 0.0


def test_a_space_that_lacks_a_member_is_refused_and_a_wider_one_is_not(tmp_path: Path) -> None:
    config, horizon = population_study(2)

    def go_on(**dropout: float) -> None:
        space = SearchSpace({**config.space, "model.dropout": ParameterConfig.model_validate(dropout)})
        sampler = make_sampler(config.search, 5, space)
        ledger = Ledger(f"sqlite:///{tmp_path}/optuna.db", "virtual", space, config.trial, sampler, 5)
        try:
            conductor_of(config, horizon, ledger, space).next_trial("a")
        finally:
            ledger.close()

    go_on(low=0.0, high=0.5)
    go_on(low=0.0, high=0.6)
    with pytest.raises(SpoofsweepError, match=r"without that of trial 0"):
        go_on(low=0.59, high=0.6)


class Killed(BaseException):
    """The driver is gone."""


class DyingLedger(Ledger):
    """Dies at its ``num_left``-th write to the storage."""

    num_left = -1

    def _set(self, *arguments: Any) -> None:
        self._write()
        super()._set(*arguments)

    def _store(self, *arguments: Any) -> None:
        self._write()
        super()._store(*arguments)

    def finish(self, *arguments: Any, **attributes: Any) -> None:
        super().finish(*arguments, **attributes)
        self._write()

    def _write(self) -> None:
        self.num_left -= 1
        if self.num_left == 0:
            raise Killed


@pytest.mark.slow
def test_killed_at_any_write_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    """Slow: a sweep for every write of a sweep."""
    config, horizon = population_study(5, replaced_share=0.5)
    space, curves = SearchSpace(config.space), curves_of(config, horizon)

    def sweep(url: str, num_left: int = -1) -> list[tuple[Any, ...]]:
        sampler = make_sampler(config.search, 5, space)
        ledger = DyingLedger(url, "virtual", space, config.trial, sampler, 5)
        try:
            ledger.num_left = num_left
            list(simulate(conductor_of(config, horizon, ledger, space), curves, num_workers=1))
            told = ("config", "seed", "parent", "replaces", "lineage", "prune_rung", HEIR)
            facts = [{name: t.attributes.get(name) for name in told} for t in ledger.trials()]
            return [(t.state, t.params, t.reports, f) for t, f in zip(ledger.trials(), facts, strict=True)]
        finally:
            ledger.close()

    whole = sweep(f"sqlite:///{tmp_path}/whole.db")
    assert sum(state == "PRUNED" for state, *_ in whole) >= 2
    for num_left in range(1, 200, 3):
        url = f"sqlite:///{tmp_path}/killed-{num_left}.db"
        try:
            sweep(url, num_left)
        except Killed:
            assert sweep(url) == whole, num_left
        else:
            break
    assert num_left > 20


def test_a_long_lineage_fits_the_tags_of_a_run() -> None:
    lineage = tuple(Ancestor(trial=TrialConfig(), seed=2**32 - 1, until=10**6 * (place + 1)) for place in range(12))
    tags = lineage_tags(lineage)
    assert lineage_of(tags | {"config": "{}"}) == lineage
    assert max(map(len, tags.values())) < 5_000
    assert lineage_of({}) == ()


def keeper_of(folder: Path, members: Population, trials: list[TrialRecord]) -> ForkKeeper:
    return ForkKeeper(folder / "forks", members, CheckpointKeeper(folder / "checkpoints", []), trials)


def report(folder: Path, keeper: ForkKeeper, members: Population, number: int, value: float) -> TrialRecord:
    """A first report of a trial at 110 samples, with a checkpoint that says whose it is."""
    own = folder / "checkpoints" / f"{number:05d}" / "0001"
    own.mkdir(parents=True)
    (own / "model.json").write_text(str(number))
    members.report(number, 110, value)
    trial = TrialRecord(number, "RUNNING", {}, {50: 0.5, 110: value}, None, {})
    keeper.trial_reported(trial)
    return trial


def kept(folder: Path) -> dict[str, str]:
    return {path.name: (path / "model.json").read_text() for path in (folder / "forks").glob("[0-9]*")}


def test_checkpoints_of_possible_parents_are_copied_and_no_others_stay(tmp_path: Path) -> None:
    members = population()
    keeper = keeper_of(tmp_path, members, [])
    for number, value in enumerate((0.5, 0.4, 0.3)):
        report(tmp_path, keeper, members, number, value)
    assert kept(tmp_path) == {"00001-0000000110": "1", "00002-0000000110": "2"}  # a quarter of eight
    report(tmp_path, keeper, members, 3, 0.9)
    assert len(kept(tmp_path)) == 2


def test_what_an_heir_has_drawn_stays_until_it_has_reported(tmp_path: Path) -> None:
    members = population()
    keeper = keeper_of(tmp_path, members, [])
    report(tmp_path, keeper, members, 0, 0.5)
    replaced = TrialRecord(9, "PRUNED", {}, {110: 0.9}, None, {HEIR: {"parent": 0, "until": 110, "params": {}}})
    keeper.trial_ended(replaced)
    for number, value in ((1, 0.4), (2, 0.3)):
        report(tmp_path, keeper, members, number, value)
    assert len(kept(tmp_path)) == 3
    lineage = [{"trial": {}, "seed": 1, "until": 110}]
    heir = TrialRecord(10, "WAITING", {}, {}, None, {"parent": 0, "replaces": 9, "lineage": lineage})
    assert keeper.fork_of(heir) == tmp_path / "forks" / "00000-0000000110"
    assert len(kept(tmp_path)) == 3
    assert keeper_of(tmp_path, members, [replaced, heir]).fork_of(replaced) is None
    assert len(kept(tmp_path)) == 3  # another driver keeps it too
    begun = TrialRecord(10, "RUNNING", {}, {160: 0.5}, None, heir.attributes)
    members.births[10] = 110
    keeper.trial_reported(begun)
    report(tmp_path, keeper, members, 4, 0.35)
    assert kept(tmp_path).keys() == {"00002-0000000110", "00004-0000000110"}


def test_settings_that_make_no_population_are_refused() -> None:
    values = {
        "study": {"name": "s"},
        "corpus": {"layout": "manifest", "root": "x"},
        "search": {"pruning": "population"},
    }
    with pytest.raises(SpoofsweepError, match="hold attacks out instead"):
        parse_settings(StudyConfig, {**values, "validation": {"folds": 2}}, "study")
    with pytest.raises(SpoofsweepError, match=r"not below trial\.budget_passes"):
        parse_settings(StudyConfig, {**values, "search": {"pruning": "population", "ready_passes": 30}}, "study")
    for pruning in ("pasha", "population"):
        search = {"pruning": pruning, "second_objective": "num_parameters"}
        with pytest.raises(SpoofsweepError, match=f"'{pruning}' does not: take 'asha', 'hyperband'"):
            parse_settings(SearchConfig, search, "search")
    with pytest.raises(SpoofsweepError, match="not 'population'"):
        parse_settings(SearchConfig, {"pruning": "population", "noise_budget": 0.1}, "search")
