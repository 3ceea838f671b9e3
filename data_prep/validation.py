"""Whether a corpus can carry a study: faults that stop it, doubts that are told, and the counts behind them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.config import CorpusConfig
from data_prep.corpora.layout import completeness_notes
from data_prep.format_bias import format_warnings
from data_prep.remote_files import MISSING
from data_prep.utterance import LABELS, SPLITS, UNKNOWN_SPEAKER, Corpus, Utterance

MISSING_SHARE_LIMIT = 0.2
"""A split that lacks a larger share of its files is an incomplete copy, not a corpus with gaps."""
_SHOWN = 5
Counts = dict[tuple[str, str, str], int]
"""Utterances by (split, label, attack)."""


@dataclass(frozen=True)
class Rejection:
    """An utterance that was set aside."""

    utterance_id: str
    split: str
    file: str
    """Path relative to the corpus root."""
    reason: str


@dataclass(frozen=True)
class CorpusReport:
    """What ``validate`` found."""

    usable: tuple[Utterance, ...]
    """Without identical duplicates and missing files, in protocol order."""
    rejected: tuple[Rejection, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: Counts
    """Of the usable utterances."""
    notes: tuple[str, ...]
    """What is good to know: whether the corpus is complete, what each of several holds, how many attacks training does
    not see.
    """

    def check(self) -> None:
        """Raise SpoofsweepError if there are errors."""
        if self.errors:
            listed = "".join(f"\n  - {error}" for error in self.errors)
            raise SpoofsweepError(
                f"the corpus must be sound, but:{listed}\n", remedy="mend the corpus or its protocols"
            )


def validate(corpus: Corpus, config: CorpusConfig) -> CorpusReport:
    """Check whether a corpus can carry a study.

    Faults of the corpus are gathered, see :meth:`CorpusReport.check`; failing storage raises OSError.
    """
    report = examine(corpus, config.allow_shared_speakers, config.convert)
    warnings = report.warnings
    if not any(split == "eval" for split, _, _ in report.counts):
        warnings += ("split eval is empty: finalists cannot be evaluated",)
    return replace(report, errors=report.errors + tuple(class_faults(report.usable)), warnings=warnings)


def examine(corpus: Corpus, allow_shared_speakers: bool = False, convert: bool = False) -> CorpusReport:
    """Check a corpus for itself, which may lack splits and classes that it will take from another.

    Args:
        allow_shared_speakers: whether speakers that stand in several splits are a doubt rather than an error.
        convert: whether what is not FLAC will be converted.
    """
    errors: list[str] = []
    warnings: list[str] = []
    distinct = _without_duplicates(corpus.utterances, errors, warnings)
    present, rejected = _without_missing(corpus, distinct, errors, warnings)
    present, misnamed = _without_misnamed(corpus, present)
    rejected += misnamed
    _tell_shared_files(corpus, present, errors, warnings)
    shared = _shared_speakers(present)
    if shared:
        (warnings if allow_shared_speakers else errors).append(
            shared + ("" if allow_shared_speakers else " (corpus.allow_shared_speakers = true accepts this)")
        )
    seen = _attacks(present, "dev")
    if seen and seen <= _attacks(present, "train"):
        warnings.append(
            f"every attack of dev is in train ({_names(seen)}): dev says nothing about unseen attacks "
            "unless [validation] holds some out"
        )
    warnings += format_warnings(present, convert)
    notes = (*completeness_notes(corpus), *_corpora(present), *_unseen_attacks(present))
    return CorpusReport(tuple(present), tuple(rejected), tuple(errors), tuple(warnings), count(present), notes)


def count(utterances: Iterable[Utterance]) -> Counts:
    """Utterances by (split, label, attack)."""
    return dict(Counter((u.split, u.label, u.attack) for u in utterances))


def class_faults(utterances: Iterable[Utterance]) -> list[str]:
    """Splits without utterances or without one of the classes, in which no EER exists; an empty eval split is none."""
    labels: dict[str, set[str]] = defaultdict(set)
    for utterance in utterances:
        labels[utterance.split].add(utterance.label)
    faults = []
    for split in SPLITS:
        missing = [label for label in LABELS if label not in labels[split]]
        if len(missing) == len(LABELS) and split != "eval":
            faults.append(f"split {split} is empty")
        elif len(missing) == 1:
            faults.append(f"split {split} has no {missing[0]} utterance, so no error rate can be told")
    return faults


def _without_duplicates(utterances: Sequence[Utterance], errors: list[str], warnings: list[str]) -> list[Utterance]:
    first: dict[str, Utterance] = {}
    identical: list[str] = []
    contradicting: list[str] = []
    for utterance in utterances:
        earlier = first.get(utterance.utterance_id)
        if earlier is None:
            first[utterance.utterance_id] = utterance
        else:
            (identical if earlier == utterance else contradicting).append(utterance.utterance_id)
    if identical:
        warnings.append(f"{len(identical)} duplicate protocol lines ignored ({_names(identical)})")
    if contradicting:
        errors.append(
            f"{len(contradicting)} protocol lines contradict an earlier line of the same id ({_names(contradicting)})"
        )
    return list(first.values())


def _tell_shared_files(corpus: Corpus, utterances: Iterable[Utterance], errors: list[str], warnings: list[str]) -> None:
    users: dict[Path, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        users[utterance.path].append(utterance)
    torn: list[str] = []
    repeated: list[str] = []
    for those in users.values():
        if len(those) > 1:
            is_torn = len({(one.split, one.label) for one in those}) > 1
            (torn if is_torn else repeated).append(writable(corpus.shown_path(those[0])))
    if torn:
        errors.append(f"{len(torn)} files stand in several splits or classes, under different ids ({_names(torn)})")
    if repeated:
        warnings.append(f"{len(repeated)} files stand under several ids in one split ({_names(repeated)})")


def _without_missing(
    corpus: Corpus, utterances: list[Utterance], errors: list[str], warnings: list[str]
) -> tuple[list[Utterance], list[Rejection]]:
    missing = [utterance for utterance in utterances if utterance.path not in corpus.sizes]
    totals = Counter((utterance.corpus, utterance.split) for utterance in utterances)
    for place, number in Counter((utterance.corpus, utterance.split) for utterance in missing).items():
        examples = _names(str(utterance.path) for utterance in missing if (utterance.corpus, utterance.split) == place)
        where = " ".join(filter(None, place))
        message = f"{number:,} of {totals[place]:,} files of {where} are missing ({examples})"
        (errors if number > MISSING_SHARE_LIMIT * totals[place] else warnings).append(message)
    gone = {utterance.utterance_id for utterance in missing}
    present = [utterance for utterance in utterances if utterance.utterance_id not in gone]
    return present, [reject(corpus, utterance, MISSING) for utterance in missing]


def _without_misnamed(corpus: Corpus, utterances: list[Utterance]) -> tuple[list[Utterance], list[Rejection]]:
    """Ids that come from file names which are not UTF-8 have no place in an index."""
    present = [utterance for utterance in utterances if utterance.utterance_id == writable(utterance.utterance_id)]
    misnamed = [utterance for utterance in utterances if utterance.utterance_id != writable(utterance.utterance_id)]
    return present, [reject(corpus, utterance, "file name is not UTF-8") for utterance in misnamed]


def reject(corpus: Corpus, utterance: Utterance, reason: str) -> Rejection:
    """The record of ``utterance`` being set aside for ``reason``."""
    file = writable(corpus.shown_path(utterance))
    return Rejection(writable(utterance.utterance_id), utterance.split, file, reason)


def writable(name: str) -> str:
    """``name`` with the bytes that are not UTF-8, which Python keeps as lone surrogates, spelt out."""
    return name.encode(errors="backslashreplace").decode()


def _shared_speakers(utterances: Iterable[Utterance]) -> str | None:
    splits: dict[str, set[str]] = defaultdict(set)
    for utterance in utterances:
        if utterance.speaker != UNKNOWN_SPEAKER:
            splits[utterance.speaker].add(utterance.split)
    shared = [speaker for speaker, where in splits.items() if len(where) > 1]
    return f"{len(shared)} speakers stand in several splits ({_names(shared)})" if shared else None


def _attacks(utterances: Iterable[Utterance], split: str) -> set[str]:
    """Those that have names."""
    return {u.attack for u in utterances if u.split == split and u.has_known_attack}


def _corpora(present: Sequence[Utterance]) -> tuple[str, ...]:
    """What each of several corpora contributes, of which the counts tell the sum."""
    counts = Counter((u.corpus, u.split, u.label) for u in present if u.corpus)
    return tuple(
        f"{split} from {corpus}: {counts[corpus, split, 'bonafide']:,} bona fide, "
        f"{counts[corpus, split, 'spoof']:,} spoof"
        for split in SPLITS
        for corpus in dict.fromkeys(u.corpus for u in present)
        if counts[corpus, split, "bonafide"] or counts[corpus, split, "spoof"]
    )


def _unseen_attacks(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    trained = _attacks(utterances, "train")
    tested = {split: _attacks(utterances, split) for split in ("dev", "eval")}
    return tuple(
        f"{split}: {len(attacks - trained)} of {len(attacks)} attacks are not in train"
        for split, attacks in tested.items()
        if attacks
    )


def _names(names: Iterable[str]) -> str:
    ordered = sorted(set(names))
    return ", ".join(ordered[:_SHOWN]) + (f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else "")
