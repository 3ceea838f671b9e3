"""Settings of a study: what is searched, how, and where its results go."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from cluster.config import ClusterConfig
from cluster.settings import Settings, nearest
from data_prep.config import AugmentationConfig, CorpusConfig, FeaturesConfig, ShardsConfig
from trainable.config import TrialConfig
from trainable.data.hold_out import HoldOutConfig


class StudySection(Settings):
    """Names and seeds."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """Name of the Optuna study, the MLflow parent run and the registered model."""
    seed: int = Field(default=1, ge=0)
    """Everything random derives from it."""
    output: str = "results"
    """Folder of everything the study writes; relative paths start at the working directory."""
    storage: str | None = None
    """Optuna storage URL; none means an SQLite file in the study's folder."""


class SearchConfig(Settings):
    """How configurations are drawn and when they are stopped."""

    num_trials: int = Field(default=40, ge=1)
    """Trials of the study; raise it to extend a finished study."""
    objective: Literal["eer", "mean_attack_eer", "worst_attack_eer", "min_dcf"] = "eer"
    """What is minimised on validation data: the EER of all spoofs together, the mean or the worst of the attacks' EERs,
    or the minDCF of ASVspoof 5 (`search.study.objective`). A study keeps the one it began with."""
    second_objective: Literal["num_parameters", "latency_ms"] | None = None
    """What is minimised besides: the model's parameters, or the milliseconds that a scoring window takes it on one CPU
    thread (`trainable.sizing.latency`; noisy). TPE and the finalists seek the Pareto front of both; rungs prune by
    ``objective``, but stop no trial that none dominates there; the champion is the best by ``objective``."""
    max_parameters: int | None = Field(default=None, ge=1)
    """Most parameters of a model. A configuration beyond is not trained and counts for nothing: another is drawn in its
    place, and the sampler learns where not to look."""
    max_latency_ms: float | None = Field(default=None, gt=0.0)
    """Most milliseconds that a scoring window may take a model on one thread of the machine that runs the sweep; else
    as ``max_parameters``. Noisy, while trials run there."""
    sampler: Literal["auto", "tpe", "cmaes", "gp", "random", "qmc"] = "auto"
    """``auto``: ``gp`` until 64 trials have ended, then ``tpe``, and ``tpe`` alone for two objectives; ``tpe``:
    multivariate, with constant liar (Optuna); ``cmaes``: CMA-ES for ranges without `when`; ``gp``: Gaussian process
    (Optuna) for parameters without `when`, slower by a fraction of a second a trial; either leaves the other parameters
    to TPE, each by itself; ``qmc``: scrambled Sobol points."""
    startup_trials: int = Field(default=10, ge=0)
    """Quasi-random trials before the sampler begins."""
    random_share: float = Field(default=0.25, ge=0.0, le=1.0)
    """Share of trials that stay quasi-random throughout, so that a misleading rung cannot capture the sampler."""
    prior_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of the first trials that are drawn near the `likely` values of ``[space]``, where it has any; a half of it
    after 20 trials, a tenth after 180, none once the first such trials are seen to be worse than quasi-random ones."""
    start_from: tuple[str, ...] = ()
    """Earlier studies, by name where they share this one's storage or output folder, else as ``URL#NAME``. Their best
    configurations are tried first; their trials teach the sampler where data, held-out attacks and objective are the
    same and the configuration is one of this study's [space]. All is read when the sweep begins, and kept."""
    start_trials: int = Field(default=3, ge=1)
    """Best configurations of each of these studies."""
    start_from_defaults: bool = True
    """The first trial is the study's own ``[trial]``."""
    pruning: Literal["asha", "hyperband", "median", "pasha", "population", "none"] = "asha"
    """``asha``: asynchronous successive halving (Li et al. 2020, algorithm 2, stopping variant); ``hyperband``: several
    of them that begin at different rungs; ``median``: worse than the median of the others; ``pasha``: halving that
    trains none further than it takes to rank them, so that the finalists may be the first to train to the end;
    ``population``: population-based training, where ``num_trials`` members of quasi-random parameters train side by
    side, and the worst are replaced by trials that go on from the best ones' weights with other parameters."""
    reduction_factor: int = Field(default=3, ge=2)
    """One trial in this many goes on from each rung."""
    first_rung_passes: float | None = Field(default=None, gt=0.0)
    """Passes before the first rung; none means a 27th of the budget, or a ninth without ``rung_trust``."""
    rung_trust: bool = True
    """A rung prunes once witnesses, trials that run to the end whatever it says, have shown that it ranks as their ends
    do (`search.pruning.rung_trust`). On by default: a rung that misleads costs more than no pruning saves, nobody sees
    it, and what the witnesses cost comes back, for the first rung may lie at a third of where it had to lie unproven.
    Off, all rungs prune from the first trial on: for studies known to allow it, and for more workers than trials. Not
    for `pasha`, which asks the next rung instead of witnesses, nor for a population."""
    trust_trials: int = Field(default=8, ge=5)
    """Witnesses from the start: the first so many trials; as long as no rung prunes, all trials count as such."""
    trust_share: float = Field(default=0.05, ge=0.0, le=1.0)
    """Share of all further trials that are witnesses, drawn by seed and number, so that trust is renewed."""
    noise_budget: float = Field(default=0.0, ge=0.0, le=1.0)
    """Most that the trials may train longer, as a share, because `asha` or `hyperband` stops none that is worse than a
    rung's cut by less than the standard error of its EER; 0 stops them."""
    ready_passes: float | None = Field(default=None, gt=0.0)
    """Passes between two comparisons of a population; none means a ninth of the budget."""
    replaced_share: float = Field(default=0.2, gt=0.0, le=0.5)
    """Of a population: the worst of it that are replaced at a comparison, and the best that replace them."""
    max_retries: int = Field(default=1, ge=0)
    """Errors of a trial after which it is tried again from its last checkpoint; lost machines are not counted."""
    max_failures: int = Field(default=5, ge=0)
    """The sweep stops when more trials than this have failed."""

    @model_validator(mode="after")
    def _second_objective_has_its_samplers(self) -> "SearchConfig":
        if self.second_objective is not None and self.sampler in ("cmaes", "gp"):
            raise ValueError(
                f"search.second_objective needs the sampler auto, tpe, random or qmc, not '{self.sampler}'"
            )
        return self

    @model_validator(mode="after")
    def _second_objective_has_full_trainings(self) -> "SearchConfig":
        if self.second_objective is not None and self.pruning in ("pasha", "population"):
            raise ValueError(
                "search.second_objective needs trials that train one configuration to its end, as its Pareto front "
                f"holds no others, which search.pruning = '{self.pruning}' does not: take 'asha', 'hyperband', "
                "'median' or 'none'"
            )
        return self

    @model_validator(mode="after")
    def _noise_is_for_halving(self) -> "SearchConfig":
        if self.noise_budget and self.pruning not in ("asha", "hyperband"):
            raise ValueError(f"search.noise_budget needs pruning by asha or hyperband, not '{self.pruning}'")
        if self.noise_budget and self.objective != "eer":
            raise ValueError(f"search.noise_budget knows the noise of objective 'eer' alone, not '{self.objective}'")
        return self

    @property
    def draws_blindly(self) -> bool:
        """Whether no trial is drawn by what others have taught; a population learns by its heirs instead."""
        return self.sampler in ("random", "qmc") or self.pruning == "population"

    @property
    def has_witnesses(self) -> bool:
        """Whether rungs earn trust."""
        return self.rung_trust and self.pruning not in ("pasha", "population")


class BudgetConfig(Settings):
    """What ends a study before its trials are used up; its finalists follow. Counted over all sweeps of the study."""

    max_hours: float | None = Field(default=None, gt=0.0)
    """Hours while a sweep runs; paused ones too, whose machines are still there."""
    max_gpu_hours: float | None = Field(default=None, gt=0.0)
    """Hours of GPUs; a trial that shares one counts for its share."""
    max_cost: float | None = Field(default=None, gt=0.0)
    """In the currency of ``cluster.price_per_hour`` or ``cluster.prices``."""
    target_eer: float | None = Field(default=None, ge=0.0, le=1.0)
    """A finished trial at this validation EER, a fraction, is good enough; by attacks if ``search.objective`` is."""


class FinalistsConfig(Settings):
    """Retraining of the best configurations."""

    num_configs: int = Field(default=3, ge=1)
    """Best configurations that are trained again."""
    num_seeds: int = Field(default=3, ge=1)
    """Seeds of each; the configuration with the best mean validation EER wins."""


class MlflowConfig(Settings):
    """Where runs and models are recorded."""

    tracking_uri: str | None = None
    """Server or database; none means ``$MLFLOW_TRACKING_URI``, else ``mlflow.db`` (SQLite) in the output folder."""
    experiment: str = "spoofsweep"


class ParameterConfig(Settings):
    """One dimension of the search space: either ``choices``, or ``low`` and ``high``."""

    choices: tuple[Any, ...] | None = None
    """Values to choose from; lists are allowed."""
    low: float | int | None = None
    high: float | int | None = None
    step: float | int | None = None
    """Grid of a range, counted from ``low``."""
    log: bool = False
    """Sample the logarithm uniformly."""
    likely: Any = None
    """A value known to be good, near which some trials are drawn (``search.prior_share``)."""
    when: dict[str, Any] | None = None
    """The parameter exists only where these other parameters have these values (a list: one of them)."""

    @model_validator(mode="after")
    def _choices_or_range(self) -> "ParameterConfig":
        if self.choices is not None and (self.log or not (self.low is self.high is self.step is None)):
            raise ValueError("give either choices, or low and high (with log or step)")
        return self

    @field_validator("choices")
    @classmethod
    def _not_empty(cls, choices: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if choices is not None and not choices:
            raise ValueError("choices must not be empty")
        return choices


class StudyConfig(Settings):
    """A whole study file."""

    study: StudySection
    corpus: CorpusConfig
    features: FeaturesConfig = FeaturesConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    shards: ShardsConfig = ShardsConfig()
    validation: HoldOutConfig = HoldOutConfig()
    trial: TrialConfig = TrialConfig()
    space: dict[str, ParameterConfig] = Field(default_factory=dict)
    search: SearchConfig = SearchConfig()
    budget: BudgetConfig = BudgetConfig()
    finalists: FinalistsConfig = FinalistsConfig()
    cluster: ClusterConfig = ClusterConfig()
    mlflow: MlflowConfig = MlflowConfig()

    @model_validator(mode="after")
    def _first_rung_before_the_end(self) -> "StudyConfig":
        first, budget = self.search.first_rung_passes, self.trial.budget_passes
        if first is not None and first >= budget:
            raise ValueError(f"search.first_rung_passes {first:g} is not below trial.budget_passes {budget:g}")
        return self

    @model_validator(mode="after")
    def _folds_need_full_trainings(self) -> "StudyConfig":
        if self.search.pruning in ("pasha", "population") and self.validation.folds > 1:
            raise ValueError(
                f"validation.folds needs trials that train one configuration to its end, which search.pruning = "
                f"'{self.search.pruning}' does not: hold attacks out instead"
            )
        return self

    @model_validator(mode="after")
    def _members_meet_before_the_end(self) -> "StudyConfig":
        ready, budget = self.search.ready_passes, self.trial.budget_passes
        if ready is not None and ready >= budget:
            raise ValueError(f"search.ready_passes {ready:g} is not below trial.budget_passes {budget:g}")
        return self

    @model_validator(mode="after")
    def _budget_has_its_measure(self) -> "StudyConfig":
        if self.budget.max_cost is not None and not self.cluster.price_of_hour(num_workers=1):
            raise ValueError("budget.max_cost needs cluster.price_per_hour, or cluster.prices")
        if self.budget.max_gpu_hours is not None and not self.cluster.uses_gpu:
            raise ValueError("budget.max_gpu_hours needs trials on GPUs; bound max_hours instead")
        return self

    @model_validator(mode="after")
    def _target_is_of_the_objective(self) -> "StudyConfig":
        if self.budget.target_eer is not None and self.search.objective == "min_dcf":
            raise ValueError("budget.target_eer needs a search.objective that is an EER, not 'min_dcf'")
        return self

    @model_validator(mode="after")
    def _bands_below_half_the_rate(self) -> "StudyConfig":
        self.augmentation.check_rate(self.features.sample_rate)
        return self

    @model_validator(mode="after")
    def _policies_are_defined(self) -> "StudyConfig":
        places = {"trial.batch.policies": self.trial.batch.policies or ()}
        if "batch.policies" in self.space:
            choices = self.space["batch.policies"].choices or ()
            named = [name for choice in choices if isinstance(choice, list | tuple) for name in choice]
            places["space 'batch.policies'"] = tuple(named)
        defined = list(self.augmentation.policies)
        for place, names in places.items():
            for name in names:
                if name not in defined:
                    raise ValueError(
                        f"{place} names '{name}', which [augmentation.policies] does not define "
                        f"({nearest(str(name), defined, 'policies')})"
                    )
        return self
