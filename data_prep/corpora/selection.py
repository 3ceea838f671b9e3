"""Which utterances of a corpus go to which split: renamed splits, divisions, and draws for quick sweeps.

Every draw comes from a counter-based generator of its own, so that it depends on the seed and on what is drawn alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from cluster.errors import SpoofsweepError
from data_prep.corpora.layout import completeness_notes
from data_prep.draws import generator
from data_prep.utterance import SPLITS, UNKNOWN_SPEAKER, Corpus, Split, Utterance

_Stratum = tuple[str, str, str]
T = TypeVar("T")


def map_splits(corpus: Corpus, splits: Mapping[Split, Iterable[Split]]) -> Corpus:
    """The corpus with its own splits renamed: ``splits`` holds those that feed each split; the rest is left out."""
    target = {own: split for split, sources in splits.items() for own in sources}
    kept = [_moved(utterance, target[utterance.split]) for utterance in corpus.utterances if utterance.split in target]
    return chosen(corpus, kept)


def divide(corpus: Corpus, shares: Mapping[Split, float], seed: int, where: str, allow_shared: bool = False) -> Corpus:
    """The corpus divided into splits of these shares, its own splits disregarded.

    A known speaker goes to one split as a whole; speakers are assigned one by one, the largest first, to the split
    where they bring classes and attacks closest to their shares. Utterances of unknown speakers are divided one by
    one, in each attack and in bona fide speech by the shares.

    Args:
        where: the corpus's place in the settings; corpora at different places are drawn independently.
        allow_shared: divide a corpus of fewer speakers than splits utterance by utterance.

    Raises:
        SpoofsweepError: there are fewer speakers than splits.
    """
    named = {split: shares[split] for split in SPLITS if split in shares}
    speakers = {utterance.speaker for utterance in corpus.utterances} - {UNKNOWN_SPEAKER}
    by_speaker = [utterance for utterance in corpus.utterances if utterance.speaker != UNKNOWN_SPEAKER]
    if 0 < len(speakers) < len(named):
        if not allow_shared:
            raise SpoofsweepError(
                f"[{where}] divide needs a speaker for each split",
                f"{len(speakers)} speakers for {len(named)} splits",
                "name one split in splits instead, or set corpus.allow_shared_speakers = true",
            )
        by_speaker = []
    grouped = {utterance.utterance_id for utterance in by_speaker}
    single = [utterance for utterance in corpus.utterances if utterance.utterance_id not in grouped]
    target = _divide_speakers(by_speaker, named, generator(seed, "speakers", where))
    for stratum, members in _strata(single).items():
        rng = generator(seed, "divide", where, *stratum)
        target |= _cut(_shuffled([utterance.utterance_id for utterance in members], rng), named)
    return chosen(corpus, [_moved(utterance, target[utterance.utterance_id]) for utterance in corpus.utterances])


def limit(corpus: Corpus, max_utterances: Mapping[Split, int], seed: int) -> Corpus:
    """The corpus with at most so many utterances of these splits.

    A draw keeps the proportions of corpora, classes and attacks, each of them at least once if the number allows. In
    each it takes speakers in turn, since a few utterances of many speakers say more than many of a few; none changes
    its split, so splits share no more speakers than before. A larger number keeps what a smaller one drew, but for
    rounding.
    """
    drawn: set[str] = set()
    for split, number in max_utterances.items():
        members = {utterance.utterance_id: utterance for utterance in corpus.utterances if utterance.split == split}
        strata = dict(sorted(_strata(members.values()).items()))
        numbers = allocate([len(each) for each in strata.values()], min(number, len(members)))
        for (stratum, each), wanted in zip(strata.items(), numbers, strict=True):
            drawn.update(_draw(each, wanted, generator(seed, "limit", split, *stratum)))
    kept = [u for u in corpus.utterances if u.split not in max_utterances or u.utterance_id in drawn]
    return corpus if len(kept) == len(corpus.utterances) else chosen(corpus, kept)


def chosen(corpus: Corpus, utterances: Sequence[Utterance]) -> Corpus:
    """``corpus`` with these utterances instead of its own, and with the record of what they were chosen from."""
    if corpus.parts:
        return replace(corpus, utterances=tuple(utterances))
    parts, notes = (corpus.without_utterances(),), completeness_notes(corpus)
    return replace(corpus, utterances=tuple(utterances), published=None, parts=parts, notes=notes)


def allocate(sizes: Sequence[int], total: int) -> list[int]:
    """Parts of ``total``, at most the sum of ``sizes`` and in proportion to them: each at least 1 if there are enough,
    the rest by the largest remainder.
    """
    least = 1 if total >= len(sizes) else 0
    spare, room = total - least * len(sizes), sum(sizes) - least * len(sizes)
    exact = [(size - least) * spare / room if room else 0.0 for size in sizes]
    parts = [int(value) for value in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: spare - sum(parts)]:
        parts[i] += 1
    return [least + part for part in parts]


def _divide_speakers(
    utterances: Sequence[Utterance], shares: Mapping[Split, float], rng: np.random.Generator
) -> dict[str, Split]:
    """The split of each utterance id, the same for all of a speaker."""
    columns = {stratum: i for i, stratum in enumerate(sorted(_strata(utterances)))}
    speakers = {name: i for i, name in enumerate(sorted({utterance.speaker for utterance in utterances}))}
    counts = np.zeros((len(speakers), len(columns)))
    for utterance in utterances:
        counts[speakers[utterance.speaker], columns[_stratum(utterance)]] += 1
    part = counts / np.maximum(counts.sum(axis=0), 1.0)  # of each stratum, so that a rare attack weighs as a frequent
    order = sorted(rng.permutation(len(speakers)).tolist(), key=lambda i: -counts[i].sum())
    share = np.array(list(shares.values()))[:, None]
    lacking = np.repeat(share, len(columns), axis=1)
    split_of = np.zeros(len(speakers), dtype=int)
    unused = set(range(len(shares)))
    for position, speaker in enumerate(order):
        # By how much the sum of squared deviations, over shares as in a chi-squared statistic, would shrink.
        needs = ((2 * lacking - part[speaker]) * part[speaker] / share).sum(axis=1)
        # The last speakers go to splits that have none.
        allowed = sorted(unused) if len(order) - position <= len(unused) else range(len(shares))
        split_of[speaker] = best = max(allowed, key=lambda i: needs[i])
        lacking[best] -= part[speaker]
        unused.discard(best)
    names = list(shares)
    return {utterance.utterance_id: names[split_of[speakers[utterance.speaker]]] for utterance in utterances}


def _cut(names: Sequence[str], shares: Mapping[Split, float]) -> dict[str, Split]:
    ends = [round(end * len(names)) for end in np.cumsum(list(shares.values())).tolist()]
    starts = [0, *ends[:-1]]
    parts = zip(shares, starts, ends, strict=True)
    return {name: split for split, start, end in parts for name in names[start:end]}


def _draw(utterances: Sequence[Utterance], number: int, rng: np.random.Generator) -> list[str]:
    """Ids of ``number`` utterances, of all speakers in turn."""
    speaker_of = {utterance.utterance_id: utterance.speaker for utterance in utterances}
    turns: Counter[str] = Counter()
    ordered: list[tuple[int, int, str]] = []
    for position, name in enumerate(_shuffled(list(speaker_of), rng)):
        ordered.append((turns[speaker_of[name]], position, name))
        turns[speaker_of[name]] += 1
    return [name for _, _, name in sorted(ordered)[:number]]


def _strata(utterances: Iterable[Utterance]) -> dict[_Stratum, list[Utterance]]:
    strata: dict[_Stratum, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        strata[_stratum(utterance)].append(utterance)
    return strata


def _stratum(utterance: Utterance) -> _Stratum:
    return utterance.corpus, utterance.label, utterance.attack


def _shuffled(names: list[str], rng: np.random.Generator) -> list[str]:
    """In an order that does not depend on theirs."""
    ordered = sorted(set(names))
    return [ordered[i] for i in rng.permutation(len(ordered))]


def _moved(utterance: Utterance, split: Split) -> Utterance:
    return utterance if utterance.split == split else replace(utterance, split=split)
