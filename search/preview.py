"""What a study would do, shown before anything is computed."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from cluster.uris import shown
from data_prep.corpora import read_corpus
from data_prep.display import counts_table, print_warnings
from data_prep.plan import shard_set_id
from data_prep.shards import ShardSet, is_complete
from data_prep.utterance import LABELS, UNKNOWN_ATTACK, Corpus
from data_prep.validation import CorpusReport, validate
from search.config import ParameterConfig, SearchConfig, StudyConfig
from search.horizon import Horizon, horizon_of
from search.limits import limit_notes
from search.sampler import sampler_notes
from search.space import SearchSpace, leaves
from search.storage import holds_study
from search.study import Study
from search.succession import free_parameters
from search.tandem import Tandem, read_tandem
from search.warm_start import read_earlier
from trainable.hold_out import Folds, hold_out, samples_per_pass

_FEW_SPOOFS = 30
"""One of fewer moves its attack's false acceptance by more than three points."""


@dataclass(frozen=True)
class Division:
    """What a model of a trial trains on and is validated on: utterances by class."""

    held_out: tuple[str, ...]
    num_train: Counter[str]
    num_dev: Counter[str]


@dataclass(frozen=True)
class Preview:
    """A study that passed every check which needs no training."""

    study: Study
    corpus: Corpus
    report: CorpusReport
    """What is to be said of the corpus."""
    shard_set_id: str
    has_shards: bool
    horizon: Horizon
    divisions: tuple[Division, ...]
    """One a model of a trial, where attacks are held out; else empty."""
    num_dev: tuple[int, int]
    """Bona fide and spoofed utterances that a model is validated on; of several models, those of the fewest."""
    num_train: int
    """Utterances that a finalist trains on."""
    notes: tuple[str, ...]
    tandem: Tandem
    """The speaker verification that comes with the corpus."""


def preview(study: Study, trains_here: bool = True) -> Preview:
    """Check space, corpus (with its ASV scores) and ledger of a study, and work out what would be done; makes nothing.

    Args:
        study: the study.
        trains_here: whether this machine needs the device that trials ask for.

    Raises:
        SpoofsweepError: the space, the corpus or the device cannot carry the study, or its ledger began otherwise.
    """
    config = study.config
    space = SearchSpace(config.space)
    notes = [*space.check(config.trial), *sampler_notes(config.search, space), *limit_notes(config, space)]
    if config.search.pruning == "population":
        free_parameters(space)
    if trains_here:
        _require_gpu(study)
    corpus = read_corpus(config.corpus, study.base, study.prep.seed)
    report = validate(corpus, config.corpus)
    report.check()
    tandem = read_tandem(study)
    identity = shard_set_id(study.prep, corpus, study.base)
    folder = study.shards_folder / identity
    has_shards = is_complete(folder)
    utterances = _clean_views(ShardSet.open(folder)) if has_shards else _frame(report)
    folds = study.folds(utterances)
    begun_from = _require_same_study(study, identity, folds)
    unevenly = _attack_notes(utterances, folds) if study.objective.is_by_attack else []
    divisions = tuple(_divide(utterances, attacks) for attacks in folds)
    models = divisions or (_divide(utterances, ()),)
    return Preview(
        study=study,
        corpus=corpus,
        report=report,
        shard_set_id=identity,
        has_shards=has_shards,
        horizon=horizon_of(config, samples_per_pass(utterances, folds)),
        divisions=divisions,
        num_dev=min((division.num_dev[LABELS[0]], division.num_dev[LABELS[1]]) for division in models),
        num_train=samples_per_pass(utterances, folds if len(folds) == 1 else ()),
        notes=(*notes, *_nameless(utterances, folds), *unevenly, *_starts(study, begun_from)),
        tandem=tandem,
    )


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


def _clean_views(shards: ShardSet) -> pd.DataFrame:
    return shards.index[shards.index["view"] == 0]


def _frame(report: CorpusReport) -> pd.DataFrame:
    """The corpus as the shards' index will have it, unless files are found to be broken."""
    rows = [(u.split, u.speaker, u.attack, u.label, 0) for u in report.usable]
    return pd.DataFrame(rows, columns=["split", "speaker", "attack", "label", "view"])


def _divide(utterances: pd.DataFrame, attacks: tuple[str, ...]) -> Division:
    divided = hold_out(utterances, attacks)
    num_train, num_dev = (Counter(divided.loc[divided["split"] == split, "label"]) for split in ("train", "dev"))
    return Division(attacks, num_train, num_dev)


def _nameless(utterances: pd.DataFrame, folds: Folds) -> list[str]:
    """What is to be said of training spoofs without an attack's name, where attacks are held out."""
    is_nameless = utterances["attack"].str.rsplit("/").str[-1] == UNKNOWN_ATTACK
    number = int((is_nameless & (utterances["split"] == "train")).sum())
    if not folds or not number:
        return []
    return [f"{number:,} spoofs of train have no attack's name: they stay in training, whatever attack is held out"]


def _attack_notes(utterances: pd.DataFrame, folds: Folds) -> list[str]:
    """What is to be said of the validation attacks where each counts by itself.

    Raises:
        SpoofsweepError: none of them has a name.
    """
    parts = [hold_out(utterances, attacks) for attacks in folds or ((),)]
    spoofs = [part[(part["split"] == "dev") & (part["label"] == "spoof")] for part in parts]
    counts = Counter(str(name) for part in spoofs for name in part["attack"])
    if all(name.split("/")[-1] == UNKNOWN_ATTACK for name in counts):
        raise SpoofsweepError(
            "a search.objective over attacks needs dev spoofs whose attack has a name",
            f"{counts.total():,} without one",
            "minimise 'eer' or 'min_dcf'",
        )
    few = [f"{name} ({count})" for name, count in sorted(counts.items()) if count < _FEW_SPOOFS]
    if not few:
        return []
    return [f"search.objective looks at each attack of dev by itself, and some have few spoofs: {', '.join(few)}"]


def _require_same_study(study: Study, identity: str, folds: Folds) -> Collection[str]:
    """The earlier studies that this one has begun from."""
    if not holds_study(study.storage_url, study.name):
        return ()
    from search.sweep import open_ledger  # Ray comes with it

    ledger = open_ledger(study, identity, folds)
    try:
        return ledger.earlier().keys()
    finally:
        ledger.close()


def _starts(study: Study, begun_from: Collection[str]) -> list[str]:
    """What is to be said of earlier studies that were not yet read."""
    search, found = study.config.search, []
    for reference in search.start_from:
        if reference not in begun_from:
            number = sum(trial.converged for trial in read_earlier(study, reference).trials)
            found.append(f"starts from '{reference}': the best {search.start_trials} of {number} finished trials")
    return found


def _require_gpu(study: Study) -> None:
    cluster = study.config.cluster
    if cluster.address is None and cluster.uses_gpu:
        import torch

        if not torch.cuda.is_available():
            raise SpoofsweepError(
                "trials on a GPU need one that torch can use",
                f"{cluster.gpu_setting} on a machine without one",
                "leave it out to train on CPUs, or name a cluster in cluster.address",
            )


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
