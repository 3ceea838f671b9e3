"""CMA-ES as a function of the trials known: order of their ends, pruned trials, a space that changed."""

import math
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.sampling.evolution import GENERATION, Evolution, EvolutionSampler
from search.storage.queue_storage import QueueStorage
from search.trials.trial_changes import TrialChanges

SPACE = {"x": FloatDistribution(0.0, 1.0), "y": IntDistribution(1, 64, log=True), "z": FloatDistribution(0.0, 2.0)}
POPULATION = 4 + math.floor(3 * math.log(len(SPACE)))


def ended(params: dict[str, Any], generation: int, value: float, **state: Any) -> FrozenTrial:
    distributions = {name: SPACE[name] for name in params}
    return create_trial(
        params=params,
        distributions=distributions,
        value=value,
        system_attrs={GENERATION: generation},
        **state,
    )


def study_of(num_trials: int, seed: int = 1) -> list[FrozenTrial]:
    """Drawn and ended one after the other; x, y and z are best where they are lowest."""
    evolution, study = Evolution(SPACE, seed), optuna.create_study()
    for number in range(num_trials):
        params, generation = evolution.draw(study.get_trials(deepcopy=False), number)
        study.add_trial(ended(params, generation, params["x"] + params["y"] / 64 + params["z"] / 2))
    return study.get_trials(deepcopy=False)


def test_generations_follow_each_other_and_come_to_the_optimum() -> None:
    trials = study_of(20 * POPULATION)
    assert [trial.system_attrs[GENERATION] for trial in trials] == [n // POPULATION for n in range(len(trials))]
    assert np.mean([trial.params["x"] for trial in trials[-POPULATION:]]) < 0.1
    assert np.mean([trial.params["y"] for trial in trials[-POPULATION:]]) < 4


def test_a_state_is_a_function_of_the_trials_in_whatever_order_they_ended() -> None:
    """The draw of one that saw every end, of one that sees them all at once, and of one that saw a late end last."""
    trials = study_of(4 * POPULATION)
    fresh = Evolution(SPACE, 1).draw(trials, 99)
    watching = Evolution(SPACE, 1)
    for number in range(len(trials)):
        watching.draw(trials[:number], number)
    assert watching.draw(trials, 99) == fresh
    late = Evolution(SPACE, 1)
    running = create_trial(state=TrialState.RUNNING)
    running.number = 2
    before = late.draw([*trials[:2], running, *trials[3:]], 99)
    assert before != fresh
    assert late.draw(trials, 99) == fresh


def test_a_trial_that_goes_on_stays_in_its_generation() -> None:
    storage = QueueStorage()
    sampler = EvolutionSampler(Evolution(SPACE, 1), optuna.samplers.RandomSampler())
    study = optuna.create_study(storage=storage, sampler=sampler)
    left = study.ask(SPACE)
    for _ in range(POPULATION):
        study.tell(study.ask(SPACE), 0.1)
    storage.change_trial(left._trial_id, TrialChanges(state=TrialState.WAITING))
    assert study.ask(SPACE).number == left.number
    later = study.ask(SPACE)
    trials = study.get_trials(deepcopy=False)
    assert [trials[trial.number].system_attrs[GENERATION] for trial in (left, later)] == [0, 1]


def test_pruned_trials_count_and_failed_ones_do_not() -> None:
    params = {"x": 0.5, "y": 8, "z": 1.0}
    value = {"value": 0.1, "intermediate_values": {3: 0.1}}
    pruned = [ended(params, 0, state=TrialState.PRUNED, **value) for _ in range(POPULATION)]
    failed = [create_trial(state=TrialState.FAIL, system_attrs={GENERATION: 0}) for _ in range(POPULATION)]
    for number, trial in enumerate((*pruned, *failed)):
        trial.number = number % POPULATION
    assert Evolution(SPACE, 1).draw(pruned, 9)[1] == 1
    assert Evolution(SPACE, 1).draw(failed, 9)[1] == 0


def test_trials_without_a_parameter_of_the_space_are_left_out() -> None:
    trials = study_of(POPULATION)
    larger = Evolution({**SPACE, "w": FloatDistribution(0.0, 1.0)}, 1)
    params, generation = larger.draw(trials, POPULATION)
    assert "w" in params
    assert generation == 0
