"""The best configurations, trained again with several seeds, and their order.

Where attacks are held out, finalists do without them as the trials did: the validation that ranks them is about
attacks that they have never met. Where trials were averaged over folds, finalists train on all attacks, because the
champion is to know them all, and their validation flatters; so configurations keep the order that the folds gave them.
It is a mean over several trainings already, and the seeds tell how much the final training varies.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster.errors import SpoofsweepError
from deploy.export.dev_scores import score_path
from search.finalists.candidates import Candidate
from search.finalists.tandem import NO_ASV, Tandem
from search.study.objective import Objective
from trainable.checkpoints.atomic_folder import readable_folder
from trainable.checkpoints.checkpoint import ModelRecord, read_record
from trainable.checkpoints.signature import code_version, trial_signature
from trainable.data.hold_out import folds_of
from trainable.scores.costs import detection_costs
from trainable.scores.score_file import read_scores
from trainable.scores.score_summary import ScoreSummary, summarise
from trainable.scores.scores import ScoreTable

SCORED_SPLITS = ("dev", "eval")


@dataclass(frozen=True)
class Finalist:
    """A trained candidate; its folder holds the model and the scores."""

    candidate: Candidate
    folder: Path
    record: ModelRecord
    tandem: Tandem = field(default=NO_ASV, compare=False)
    """The speaker verification that t-DCF is about."""
    _figures: dict[str, tuple[ScoreSummary, dict[str, float]]] = field(
        init=False, default_factory=dict, compare=False, repr=False
    )

    @property
    def dev_eer(self) -> float:
        """Validation EER at the end of the training, a fraction."""
        if self.record.dev_eer is None:
            raise SpoofsweepError(
                "a finalist must have been validated", self.folder, "remove this folder and run again"
            )
        return self.record.dev_eer

    @property
    def value(self) -> float:
        """What the study minimises, at the end of the training."""
        return self.record.history[-1].metrics[self.candidate.objective.metric]

    @property
    def diverged(self) -> bool:
        """Whether its training came to nothing: it has no scores, and counts as the worst there can be."""
        return self.record.threshold is None

    @property
    def splits(self) -> tuple[str, ...]:
        """Scored splits: dev, and eval where the corpus has one."""
        return tuple(split for split in SCORED_SPLITS if score_path(self.folder, split).exists())

    def scores(self, split: str) -> ScoreTable:
        """Scores of every utterance of ``split``, with what is known of it."""
        keys = keys_path(self.folder, split)
        return read_scores(score_path(self.folder, split), keys if keys.exists() else None)

    def summary(self, split: str) -> ScoreSummary:
        """EER of a split with its intervals, by attack and by group."""
        return self._judged(split)[0]

    def costs(self, split: str) -> dict[str, float]:
        """Costs of a split, by the names of `trainable.scores.costs.COST_NAMES`; calibrated ones by the fit on dev.

        There are t-DCFs where the corpus has scores of speaker verification for the split, and dev is whole.
        """
        return self._judged(split)[1]

    def _judged(self, split: str) -> tuple[ScoreSummary, dict[str, float]]:
        if split not in self._figures:  # reading and bootstrap take seconds on a large split
            table, validation = self.scores(split), self.record.trial.validation
            costs = detection_costs(table, self.record.calibration)
            if not (split == "dev" and self.record.held_out):
                costs |= self.tandem.costs(split, table)
            self._figures[split] = summarise(table, validation.num_resamples, validation.confidence), costs
        return self._figures[split]


@dataclass(frozen=True)
class Standing:
    """One configuration over all its seeds; EERs of the validation split, as fractions.

    Means and deviation are about the seeds that did not diverge, the same ones for every split.
    """

    rank: int
    trial_number: int
    finalists: tuple[Finalist, ...]

    @property
    def converged(self) -> tuple[Finalist, ...]:
        """Those that did not diverge."""
        return tuple(finalist for finalist in self.finalists if not finalist.diverged)

    @property
    def num_diverged(self) -> int:
        return len(self.finalists) - len(self.converged)

    @property
    def best(self) -> Finalist:
        return min(self.finalists, key=lambda finalist: finalist.value)

    @property
    def objective(self) -> Objective:
        """What configurations and seeds are ranked by."""
        return self.finalists[0].candidate.objective

    @property
    def fold_eer(self) -> float | None:
        """Validation EER in the sweep, the mean over the folds; none without folds."""
        return self.finalists[0].candidate.fold_eer

    @property
    def fold_value(self) -> float | None:
        """What the study minimises, in the sweep; none without folds."""
        return self.finalists[0].candidate.fold_value

    @property
    def mean_value(self) -> float | None:
        """Mean over the seeds of what the study minimises; none where all diverged."""
        return statistics.fmean(finalist.value for finalist in self.converged) if self.converged else None

    @property
    def mean(self) -> float | None:
        """Mean validation EER over the seeds; none where all diverged."""
        return statistics.fmean(finalist.dev_eer for finalist in self.converged) if self.converged else None

    @property
    def spread(self) -> float:
        """Standard deviation over seeds; 0 of a single one."""
        eers = [finalist.dev_eer for finalist in self.converged]
        return statistics.stdev(eers) if len(eers) > 1 else 0.0

    def mean_of(self, split: str) -> float | None:
        """Mean EER over seeds of a scored split; none where it was not scored."""
        return self._mean(split, lambda finalist: finalist.summary(split).eer)

    def mean_cost(self, split: str, name: str) -> float | None:
        """The same of a cost named in `trainable.scores.costs.COST_NAMES`; none where the split does not have it."""
        return self._mean(split, lambda finalist: finalist.costs(split).get(name))

    def _mean(self, split: str, figure: Callable[[Finalist], float | None]) -> float | None:
        figures = [figure(finalist) for finalist in self.converged if split in finalist.splits]
        found = [value for value in figures if value is not None]
        return statistics.fmean(found) if found else None


def read_finalist(candidate: Candidate, folder: Path, shard_set_id: str, tandem: Tandem = NO_ASV) -> Finalist | None:
    """The finished training of a candidate, if it is there and of this configuration, seed, data and code."""
    path = readable_folder(folder / candidate.name)
    if not (path / "model.json").exists():
        return None
    record = read_record(path)
    folds = folds_of(candidate.held_out)
    wanted = trial_signature(candidate.config, candidate.seed, shard_set_id, folds, candidate.lineage)
    same = record.signature == wanted and record.code_version == code_version()
    return Finalist(candidate, path, record, tandem) if same else None


def standings(finalists: Sequence[Finalist]) -> list[Standing]:
    """Configurations from the best mean on of what the study minimises: over the folds, without folds over the seeds.

    Here a seed that diverged counts as the worst there can be, so that no configuration gains by it. One that diverged
    with every seed comes last.
    """
    groups: dict[int, list[Finalist]] = {}
    for finalist in finalists:
        groups.setdefault(finalist.candidate.rank, []).append(finalist)
    found = [Standing(rank, group[0].candidate.trial_number, tuple(group)) for rank, group in groups.items()]
    return sorted(found, key=_order)


def _order(standing: Standing) -> tuple[bool, float, int]:
    over_seeds = statistics.fmean(finalist.value for finalist in standing.finalists)
    value = over_seeds if standing.fold_value is None else standing.fold_value
    return not standing.converged, value, standing.rank


def keys_path(folder: Path, split: str) -> Path:
    """Where it keeps what is known of the utterances besides, in a key file for `spoofsweep score --keys`."""
    return folder / f"{split}.keys.txt"
