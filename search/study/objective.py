"""What a study minimises, by the names of ``search.objective`` and ``search.second_objective``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Objective:
    """A metric of a trial's reports (`trainable.scores.report.Report`); lower is better."""

    name: str
    """As the study file has it."""
    label: str
    """What tables call it."""
    meaning: str
    is_rate: bool = True
    """Whether it is a fraction, shown as percent."""

    @property
    def metric(self) -> str:
        """Its name among the metrics of a report, and in MLflow."""
        return f"dev_{self.name}"

    @property
    def is_by_attack(self) -> bool:
        """Whether attacks count each by itself."""
        return self.name.endswith("attack_eer")


EER = Objective("eer", "dev EER", "EER of all validation spoofs together, over folds the mean of the models' EERs")
OBJECTIVES = {
    objective.name: objective
    for objective in (
        EER,
        Objective(
            "mean_attack_eer",
            "mean attack EER",
            "mean over the attacks of dev, however many spoofs each has; over folds, over all attacks, each judged by "
            "the model that did without it",
        ),
        Objective(
            "worst_attack_eer",
            "worst attack EER",
            "maximum over the attacks of dev; over folds, over all attacks, each judged by the model that did without "
            "it",
        ),
        Objective("min_dcf", "dev minDCF", "minDCF of ASVspoof 5, over folds the mean of the models' costs", False),
    )
}


@dataclass(frozen=True)
class Second:
    """A figure of a trial that is known from its first report on; lower is better."""

    name: str
    """As the study file, a trial's reports, its attributes in the ledger and MLflow have it."""
    label: str
    """What tables call it."""
    digits: str
    """Format of a value."""

    def show(self, value: float | None) -> str:
        """A value in a table."""
        return "-" if value is None else format(value, self.digits)


SECONDS = {
    second.name: second
    for second in (Second("num_parameters", "parameters", ",.0f"), Second("latency_ms", "latency (ms)", ".2f"))
}
