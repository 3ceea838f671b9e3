"""What a study would do, shown before anything is computed."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from cluster.errors import SpoofsweepError
from data_prep.corpora import read_corpus
from data_prep.plan import shard_set_id
from data_prep.shards import ShardSet, is_complete
from data_prep.utterance import LABELS, UNKNOWN_ATTACK, Corpus
from data_prep.validation import CorpusReport, validate
from search.finalists.tandem import Tandem, read_tandem
from search.ledger.warm_start import read_earlier
from search.pruning.horizon import Horizon, horizon_of
from search.sampling.limits import limit_notes
from search.sampling.sampler import sampler_notes
from search.storage.storage import holds_study
from search.study.space import SearchSpace
from search.study.study import Study
from search.sweep.succession import free_parameters
from trainable.data.hold_out import Folds, hold_out, samples_per_pass

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
    from search.sweep.sweep import open_ledger  # Ray comes with it

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
