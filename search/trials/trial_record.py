"""One trial as the ledger knows it."""

from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from trainable.checkpoints.lineage import Ancestor, Lineage
from trainable.config import TrialConfig

PRUNE_RUNG = "prune_rung"
"""User attribute of a trial that was pruned, or is about to be: the rung in samples."""
HEIR = "heir"
"""User attribute of a trial that was replaced, or is about to be: who takes its place. ``parent``, the trial whose
weights it goes on from, ``until``, the samples that the parent had seen, and ``params``."""
REFUSED = "refused"
"""User attribute of a trial: the draws before its configuration that exceeded the study's limits, a list of ``params``
as Optuna holds them, with the figure that was beyond (`search.sampling.limits`)."""
ARITHMETIC = ("precision", "torch_version", "plan")
"""User attributes that say what a trial computed with, as the machine that ran it told."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the ledger knows it. ``state`` is RUNNING, COMPLETE, PRUNED, FAIL or WAITING, as in Optuna."""

    number: int
    state: str
    params: dict[str, Any]
    """Sampled values by dotted path, lists as JSON text."""
    reports: dict[int, float]
    """What the study minimises, by samples seen."""
    value: float | None
    """The same at the end of a COMPLETE trial."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """``config``, ``seed``, ``signature``, ``mlflow_run_id``, ``metrics`` (last report), ``precision``,
    ``torch_version`` and ``plan`` (of the machine that ran it, see `trainable.training.training.Training.plan`),
    ``reason``, ``prune_rung``, ``diverged``; ``attempt`` (how often it was begun), ``failures`` (how many of these
    ended in an error) and ``alone`` (it needs a GPU for itself); ``heir``, and of an heir ``parent`` and ``replaces``
    (numbers of trials) and ``lineage``; ``refused``; those that do not apply are absent."""

    @property
    def config(self) -> TrialConfig:
        """The trial's whole configuration."""
        return TrialConfig.model_validate(self.attributes["config"])

    @property
    def seed(self) -> int:
        return int(self.attributes["seed"])

    @property
    def lineage(self) -> Lineage:
        """The trainings whose weights it goes on from, up to its parent's."""
        return tuple(map(Ancestor.model_validate, self.attributes.get("lineage", ())))

    @property
    def forked_at(self) -> int:
        """Samples that its parent had seen; 0 of a trial that began with weights of its own."""
        lineage = self.attributes.get("lineage")
        return int(lineage[-1]["until"]) if lineage else 0

    @property
    def samples_seen(self) -> int:
        """Training samples at the last report, its ancestors' counted."""
        return max(self.reports, default=self.forked_at)

    def first_report(self, samples: int) -> int:
        """Samples seen at its own first report at or beyond ``samples``; there is one."""
        return min(step for step in self.reports if step >= samples)

    @property
    def num_refused(self) -> int:
        """Draws beyond the study's limits, before its configuration was found."""
        return len(self.attributes.get(REFUSED, ()))

    @property
    def last_value(self) -> float | None:
        """What the study minimises at the last report; None before the first."""
        return self.value if self.value is not None else self.reports.get(self.samples_seen)

    @property
    def converged(self) -> bool:
        """Whether it was trained to its end without diverging."""
        return self.state == "COMPLETE" and not self.attributes.get("diverged", False)

    @property
    def counts(self) -> bool:
        """Whether the trial uses up one of the study's trials.

        All do but those that wait, for the first time or again, and those that handed their place on.
        """
        return self.state != "WAITING" and not self.is_replaced

    @property
    def is_replaced(self) -> bool:
        """Whether it gave its place in a population to an heir."""
        return self.state == "PRUNED" and HEIR in self.attributes

    @property
    def begun(self) -> bool:
        """Whether it was ever begun; one that waits may have been."""
        return self.state != "WAITING" or "attempt" in self.attributes

    @classmethod
    def of(cls, trial: FrozenTrial, run_id: str | None) -> "TrialRecord":
        """From Optuna's record of a trial, and the trial's MLflow run."""
        value = trial.value if trial.state == TrialState.COMPLETE else None
        attributes = trial.user_attrs if run_id is None else {**trial.user_attrs, "mlflow_run_id": run_id}
        return cls(trial.number, trial.state.name, trial.params, trial.intermediate_values, value, attributes)


def run_key(number: int | None) -> str:
    """Attribute of an Optuna study that holds the MLflow run of a trial, or of the study itself (``None``)."""
    return "mlflow_run_id" if number is None else f"mlflow_run_id:{number}"


def is_run_key(key: str) -> bool:
    """Whether an attribute of an Optuna study is one of `run_key`'s."""
    return key.partition(":")[0] == "mlflow_run_id"
