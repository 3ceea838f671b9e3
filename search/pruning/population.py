"""Population-based training: which members give up their place, and whose weights take it. Pure decisions.

Source: Jaderberg et al. 2017, "Population Based Training of Neural Networks", section 4.1.1, truncation selection: a
member that is ready and among the worst share of the population is replaced by a copy of one among the best share.

Deviations:
- Members are compared at the same samples seen, each when it comes there, with all that were there before: nobody
  waits. The first to come see few others, and none is replaced before there are enough for a share of them to be one.
- What takes a place is another trial with parameters of its own, which goes on from the better one's checkpoint *there*
  (the paper: its latest). So the course of every trial can be told, and repeated.
- A member that diverges leaves its place empty.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable

from data_prep.draws import generator
from search.pruning.pruner import RungPruner


class Population(RungPruner):
    """Members' values wherever they are compared; lower values are better.

    Args:
        rungs: samples seen at which members are ready, rising.
        num_members: places of the population.
        share: of the members that are replaced, and of those that replace them.
        seed: of the study.
    """

    def __init__(self, rungs: Iterable[int], num_members: int, share: float, seed: int) -> None:
        super().__init__(rungs)
        self._num_members, self._share, self._seed = num_members, share, seed
        self._sorted: dict[int, list[float]] = {rung: [] for rung in self.rungs}
        self.births: dict[int, int] = {}
        """Samples seen where a trial took over from another one; it is compared beyond."""

    def donor(self, rung: int, trial: int) -> int:
        """Whose weights take the place of ``trial``: a function of the seed and what is recorded at ``rung``."""
        best = self._best(rung, len(self.recorded[rung]))
        return best[int(generator(self._seed, "donor", trial, rung).integers(len(best)))]

    def candidates(self, rung: int) -> list[int]:
        """The trials that may still be asked for their weights at ``rung``: those that fall out never come back."""
        return self._best(rung, self._num_members)

    def _best(self, rung: int, num_compared: int) -> list[int]:
        values = self.recorded[rung]
        return sorted(values, key=lambda trial: (values[trial], trial))[: max(1, int(self._share * num_compared))]

    def _takes(self, rung: int, trial: int) -> bool:
        return super()._takes(rung, trial) and rung > self.births.get(trial, 0)

    def _goes_on(self, rung: int, value: float) -> bool:
        values = self._sorted[rung]
        num_compared = len(values) + 1
        num_replaced = int(self._share * num_compared)
        if bisect_right(values, value) < num_compared - num_replaced:
            return True
        return value <= values[max(1, num_replaced) - 1]  # as good as any donor

    def _add(self, rung: int, value: float) -> None:
        insort(self._sorted[rung], value)
