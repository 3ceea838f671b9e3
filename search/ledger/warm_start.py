"""Starts a study from earlier ones: their best configurations come first, and trials that compare teach the sampler."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from search.ledger.ledger import Ledger
from search.ledger.study_reader import BegunStudy, read_trials
from search.sampling.bounded_history import MOST_FINISHED, Rank, rank_of
from search.sampling.sampler import MixedSampler
from search.sampling.translation import Translation
from search.study.objective import SECONDS
from search.study.space import SearchSpace
from search.study.study import Study
from search.trials.trial_record import TrialRecord
from trainable.config import TrialConfig

START = "start_from"
"""User attribute of a trial that began as one of an earlier study: which."""
_SURELY_KEPT = 25
"""Best trials of an earlier study that are kept for the sampler; the others are thinned out evenly."""


def start_from_earlier(study: Study, ledger: Ledger) -> list[str]:
    """Queue the best configurations of ``search.start_from``, once, and let the sampler learn; before the first draw.

    What is used of the earlier studies is read once, and kept in the ledger: a resumed sweep needs them no more, and
    does the same whatever became of them. Their trials never count as this study's.

    Returns:
        What is to be said about it.

    Raises:
        SpoofsweepError: an earlier study cannot be read.
    """
    search = study.config.search
    kept = ledger.earlier()
    missing = [reference for reference in search.start_from if reference not in kept]
    if missing:
        facts = ledger.facts()
        kept |= {reference: _read(study, reference, facts, search.start_trials) for reference in missing}
        ledger.keep_earlier(kept)
    first = SearchSpace(study.config.space).defaults(study.config.trial) if search.start_from_defaults else {}
    best = ((reference, trial) for reference in search.start_from for trial in kept[reference]["best"])
    notes = _queue(best, first, ledger)
    return notes + [_teach(reference, kept[reference], ledger) for reference in search.start_from]


def read_earlier(study: Study, reference: str) -> BegunStudy:
    """An earlier study.

    Raises:
        SpoofsweepError: there is none of this name, or its storage cannot be reached.
    """
    url, name = split_reference(reference)
    return read_trials(
        url or study.config.study.storage or f"sqlite:///{study.folder.parent / name / 'optuna.db'}", name
    )


def split_reference(reference: str) -> tuple[str, str]:
    """Storage and name of an earlier study; empty where the storage follows from this study's own."""
    url, _, name = reference.rpartition("#")
    return url, name


def _read(study: Study, reference: str, facts: Mapping[str, Any], num_best: int) -> dict[str, Any]:
    """What is kept of an earlier study, as JSON has it."""
    earlier = read_earlier(study, reference)
    ended = [trial for trial in earlier.trials if trial.state in ("COMPLETE", "PRUNED")]
    trials = [trial for trial in ended if not trial.lineage]  # the values of an heir are those of a whole schedule
    best = sorted((trial for trial in trials if trial.converged), key=lambda trial: (trial.value, trial.number))
    other = [name for name, fact in facts.items() if str(fact) != getattr(earlier, name)]
    return {
        "other": other,
        "best": [_summary(trial) for trial in best[:num_best]],
        "trials": [] if other else [_summary(trial) for trial in _thinned(trials)],
    }


def _summary(trial: TrialRecord) -> dict[str, Any]:
    samples_seen = trial.samples_seen
    return {
        "number": trial.number,
        "state": trial.state,
        "value": trial.value,
        "last": [samples_seen, trial.reports[samples_seen]] if trial.reports else None,
        "config": trial.attributes["config"],
        "facts": {name: trial.attributes[name] for name in ("diverged", *SECONDS) if name in trial.attributes},
    }


def _thinned(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """As many as the sampler looks at."""
    ranked = sorted(trials, key=_rank)
    if len(ranked) <= MOST_FINISHED:
        return ranked
    others, room = ranked[_SURELY_KEPT:], MOST_FINISHED - _SURELY_KEPT
    return ranked[:_SURELY_KEPT] + [others[i * len(others) // room] for i in range(room)]


def _rank(trial: TrialRecord) -> Rank:
    return rank_of(trial.value if trial.state == "COMPLETE" else None, trial.reports, trial.number)


def _queue(best: Iterable[tuple[str, Mapping[str, Any]]], first: Mapping[str, Any], ledger: Ledger) -> list[str]:
    """Queue points near the best trials, each with its reference, that are not ``first`` and were not queued before."""
    notes: list[str] = []
    queued, points = {trial.attributes.get(START) for trial in ledger.trials()}, [dict(first)]
    for reference, trial in best:
        origin, config = f"{reference}:{trial['number']}", TrialConfig.model_validate(trial["config"])
        point = ledger.translation.nearest(config)
        if not point or point in points:
            continue
        points.append(point)
        if origin not in queued:
            ledger.enqueue(point, **{START: origin})
            is_same = ledger.translation.exact(config) is not None
            how = "as it was" if is_same else "as near as [space] and [trial] allow"
            notes.append(f"Trial {trial['number']} of {reference} is tried first, {how}: {point}")
    return notes


def _teach(reference: str, kept: Mapping[str, Any], ledger: Ledger) -> str:
    """Let the sampler learn from an earlier study's trials, as far as they compare."""
    if kept["other"]:
        return f"Trials of {reference} teach the sampler nothing: it has other {', '.join(kept['other'])}"
    known = [known for trial in kept["trials"] if (known := _known(trial, ledger.translation)) is not None]
    if isinstance(ledger.sampler, MixedSampler):
        ledger.sampler.learn(known)
    return f"{len(known)} trials of {reference} are configurations of this [space], and known to the sampler"


def _known(trial: Mapping[str, Any], translation: Translation) -> FrozenTrial | None:
    """A trial of an earlier study as the sampler takes it; none where this study's space lacks its configuration."""
    point = translation.exact(TrialConfig.model_validate(trial["config"]))
    if point is None:
        return None
    return create_trial(
        state=TrialState[trial["state"]],
        value=trial["value"],
        params=point,
        distributions={path: translation.distributions[path] for path in point},
        intermediate_values=dict([trial["last"]]) if trial["last"] else {},
        user_attrs=trial["facts"],
    )
