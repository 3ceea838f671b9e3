"""A study's sweep in virtual time: its own sampler, ledger, pruner and conductor over learning curves."""

from collections.abc import Iterator

from search.ledger.ledger import Ledger
from search.pruning.horizon import Horizon
from search.pruning.pruners import make_pruner
from search.sampling.sampler import make_sampler
from search.simulation.curves import Curves
from search.simulation.simulator import SimulatedTrial, simulate
from search.storage.storage import MEMORY
from search.study.config import StudyConfig
from search.study.space import SearchSpace
from search.sweep.conductor import Conductor
from search.sweep.succession import make_succession


def virtual_sweep(
    config: StudyConfig, horizon: Horizon, curves: Curves, num_workers: int, seed: int, start_s: float = 0.0
) -> Iterator[SimulatedTrial]:
    """Run the trials of a study over ``curves``, all or as many as are asked for; nothing is written.

    The study's limits have no say: to measure a model takes longer than to simulate its trial.

    Args:
        config: the study; its seed, cluster and MLflow have no say.
        horizon: the study's rungs.
        curves: what its trials report, and when.
        num_workers: trials at a time.
        seed: in the place of the study's.
        start_s: seconds that a trial takes to begin.

    Yields:
        The trials in the order in which they end.

    Raises:
        SpoofsweepError: the study's space or ledger refuses it.
    """
    # Curves tell of one objective.
    space, search = SearchSpace(config.space), config.search.model_copy(update={"second_objective": None})
    sampler = make_sampler(search, seed, space)
    ledger = Ledger(MEMORY, "virtual", space, config.trial, sampler, seed)
    if search.start_from_defaults:
        ledger.enqueue(space.defaults(config.trial))
    pruner = make_pruner(search, horizon, seed)
    succession = make_succession(pruner, ledger, space, seed)
    conductor = Conductor(ledger, pruner, search.num_trials, succession=succession)
    yield from simulate(conductor, curves, num_workers, start_s)
    if conductor.failure is not None:
        raise conductor.failure
