"""A study's preview on the terminal."""

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from cluster.config import ClusterConfig
from cluster.uris import shown
from data_prep.display import counts_table, print_warnings
from data_prep.utterance import LABELS
from search.planning.preview import Division, Preview
from search.study.config import ParameterConfig, SearchConfig, StudyConfig
from search.study.space import SearchSpace, leaves
from search.study.study import Study
from search.sweep.succession import free_parameters


def print_preview(found: Preview, console: Console) -> None:
    """The resolved study on the terminal."""
    console.print(
        Group(
            _facts(found),
            "",
            counts_table(found.report.counts),
            *(Text(note) for note in found.report.notes),
            "",
            *((_divisions_table(found.divisions), "") if found.divisions else ()),
            _space_table(found.study),
            "",
            _trial_table(found.study),
        )
    )
    print_warnings(console, (*found.report.warnings, *found.notes))


def _facts(found: Preview) -> Table:
    config, study, horizon = found.study.config, found.study, found.horizon
    per_pass = horizon.samples_per_pass
    rungs = ", ".join(f"{rung / per_pass:g}" for rung in horizon.rungs)
    features, search, finalists, cluster = config.features, config.search, config.finalists, config.cluster
    num_trainings = finalists.num_configs * finalists.num_seeds
    state = "ready" if found.has_shards else "to be made"
    policies = config.augmentation.policies.items()
    views = ", ".join(f"{policy.views} x {name}" for name, policy in policies) or "no augmented views"
    models = f" of {len(found.divisions)} models" if len(found.divisions) > 1 else ""
    trained = f"{per_pass:,} utterances{models}"
    facts = {
        "study": f"{study.name} ({study.path})",
        "shards": f"{found.shard_set_id} ({state}), {features.kind}, {features.num_bins} bins, {views}",
        "search": f"{search.num_trials} {_drawn(search)}, {len(config.space)} parameters",
        "minimised": f"{study.objective.label}: {study.objective.meaning}",
        **({"minimised besides": study.second.label} if study.second else {}),
        "budget": f"{config.trial.budget_passes:g} passes of {trained} = {horizon.budget:,} samples",
        "pruning": f"{search.pruning} at {rungs} passes{_pruning_note(config)}" if rungs else "none",
        "finalists": f"{finalists.num_configs} configurations x {finalists.num_seeds} seeds, {num_trainings} trainings",
        **({"t-DCF": f"ASV scores of {', '.join(found.tandem.rates)}"} if found.tandem.rates else {}),
        "each trial": f"{_gpus(cluster)}{cluster.cpus_per_trial} CPU cores, on {cluster.address or 'this machine'}",
        "ledger": shown(study.storage_url),
        "MLflow": shown(study.tracking_uri),
    }
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(f"[bold]{name}", Text(value))
    return table


def _drawn(search: SearchConfig) -> str:
    return "quasi-random members" if search.pruning == "population" else f"trials, {search.sampler}"


def _pruning_note(config: StudyConfig) -> str:
    search = config.search
    if search.pruning == "population":
        free = free_parameters(SearchSpace(config.space))
        held = ", ".join(path for path in config.space if path not in free) or "nothing"
        return f", worst {search.replaced_share:.0%} by variations of the best; {held} held fixed within a lineage"
    return f", once {search.trust_trials} full trainings show that they rank" if search.has_witnesses else ""


def _gpus(cluster: ClusterConfig) -> str:
    """A trial's part of a GPU, for the list of facts."""
    if not cluster.uses_gpu:
        return ""
    if cluster.trials_per_gpu == "auto":
        return "a share of a GPU (measured when the sweep begins), "
    if cluster.trials_per_gpu is None or cluster.trials_per_gpu == 1:
        return f"{cluster.gpu_share:.4g} GPU, "
    return f"1/{cluster.trials_per_gpu} GPU, "


def _divisions_table(divisions: tuple[Division, ...]) -> Table:
    is_folded = len(divisions) > 1
    title = "Leave-attack-out folds: a trial trains a model on each" if is_folded else "Held out of training"
    table = Table("fold" if is_folded else "", "attacks", title=title, title_justify="left")
    for name in ("train bona fide", "train spoofed", "dev bona fide", "dev spoofed"):
        table.add_column(name, justify="right")
    for number, d in enumerate(divisions):
        counts = [counter[label] for counter in (d.num_train, d.num_dev) for label in LABELS]
        table.add_row(
            str(number) if is_folded else "", Text(", ".join(d.held_out)), *(f"{count:,}" for count in counts)
        )
    return table


def _space_table(study: Study) -> Table:
    first = SearchSpace(study.config.space).defaults(study.config.trial)
    table = Table("parameter", "values", "first trial", "only when", title="Search space", title_justify="left")
    for path, parameter in study.config.space.items():
        when = ", ".join(f"{name} = {value}" for name, value in (parameter.when or {}).items())
        table.add_row(path, Text(_values(parameter)), Text(str(first.get(path, "drawn"))), Text(when))
    return table


def _values(parameter: ParameterConfig) -> str:
    likely = "" if parameter.likely is None else f"; likely {parameter.likely}"
    if parameter.choices is not None:
        return ", ".join(str(choice) for choice in parameter.choices) + likely
    step = f", step {parameter.step:g}" if parameter.step else ""
    return f"{parameter.low:g} to {parameter.high:g}{', log' if parameter.log else ''}{step}{likely}"


def _trial_table(study: Study) -> Table:
    table = Table("field", "value", title="Every trial, unless searched", title_justify="left")
    for path, value in leaves(study.config.trial.model_dump()):
        if path not in study.config.space:
            table.add_row(path, Text(str(value)))
    return table
