"""Does the codec or the sampling rate of a file betray its class? Then a detector learns that, and not the voice.

Told from file headers, cheaply; of a large corpus a seeded sample is looked at.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.audio_format import is_flac, recognise
from data_prep.audio_stream import faults_told
from data_prep.config import CONVERSION_RATE
from data_prep.decode_error import DecodeError
from data_prep.draws import rank
from data_prep.remote_files import is_remote, local_copies
from data_prep.utterance import LABELS, Utterance

SAMPLE_SIZE = 2000
"""Files looked at, over all splits and classes."""
REMOTE_SAMPLE_SIZE = 200
"""The same where each file is fetched from a store or an archive."""
_LEAST_DIFFERENCE = 0.2
"""Shares of the two classes that differ by less are ordinary."""
_CHANCE_SDS = 2.0
"""How far beyond chance a difference must be: two shares of n files each differ by sqrt(1 / 2n) at most (one SD)."""
_LOSSLESS = "lossless"
Facts = Mapping[str, str]
"""What may betray the class of a file: its codec, its sampling rate, what conversion would do to it."""


def format_warnings(utterances: Sequence[Utterance], convert: bool, seed: int = 0) -> list[str]:
    """One warning for each split and fact that tells the classes apart, with the shares.

    Args:
        utterances: those whose files are there.
        convert: whether what is not FLAC will be converted.
        seed: of the sample.
    """
    remote = any(is_remote(utterance.path) for utterance in utterances)
    looked_at = sample(utterances, REMOTE_SAMPLE_SIZE if remote else SAMPLE_SIZE, seed)
    found: dict[str, dict[str, list[Facts]]] = defaultdict(lambda: {label: [] for label in LABELS})
    for utterance, file in zip(looked_at, local_copies([one.path for one in looked_at]), strict=True):
        facts = None if isinstance(file, str) else _facts(file)
        if facts is not None:
            found[utterance.split][utterance.label].append(facts)
    extent = f" ({len(looked_at):,} of {len(utterances):,} files looked at)" if len(looked_at) < len(utterances) else ""
    return [warning + extent for split, facts in found.items() for warning in _warnings(split, facts, convert)]


def sample(utterances: Sequence[Utterance], size: int, seed: int) -> list[Utterance]:
    """At most ``size`` utterances, as many of each split and class; which, follows from ids and seed alone."""
    strata: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        strata[utterance.split, utterance.label].append(utterance)
    share = size // max(1, len(strata))
    return [
        one
        for members in strata.values()
        for one in sorted(members, key=lambda member: rank(seed, member.utterance_id))[:share]
    ]


def _facts(file: Path) -> Facts | None:
    """None for a file in which nothing is recognised, which preparation will set aside."""
    try:
        with faults_told():
            format, kept = recognise(file), is_flac(file)
    except (DecodeError, FileNotFoundError):
        return None
    if format is None:
        return None
    return {
        "codec": format.name if format.lossy else _LOSSLESS,
        "rate": f"{format.sample_rate} Hz" if format.sample_rate else "of unknown rate",
        "conversion": "kept" if kept or format.is_plain(CONVERSION_RATE) else "changed",
    }


def _warnings(split: str, facts: Mapping[str, Sequence[Facts]], convert: bool) -> list[str]:
    codec, rate = _telling(facts, "codec"), _telling(facts, "rate")
    warnings = []
    if codec:
        warnings.append(
            f"{split}: {codec}: the detector would learn the codec, whose traces conversion to FLAC keeps; "
            "pass both classes through the same codec"
        )
    if rate:
        warnings.append(
            f"{split}: {rate}: the detector would learn the bandwidth, which resampling keeps; "
            "bring both classes to the lower rate first"
        )
    hit = _telling(facts, "conversion") if convert and not warnings else None
    if hit:
        warnings.append(f"{split}: {hit} by corpus.convert: the detector would learn that; convert both classes alike")
    return warnings


def _telling(facts: Mapping[str, Sequence[Facts]], fact: str) -> str | None:
    """The value of ``fact`` whose shares in the two classes differ most, in words; none if they differ by chance."""
    numbers = [len(of_class) for of_class in facts.values()]
    if not all(numbers):
        return None
    values = sorted({one[fact] for of_class in facts.values() for one in of_class} - {_LOSSLESS, "kept"})
    limit = max(_LEAST_DIFFERENCE, _CHANCE_SDS * math.sqrt(0.5 / min(numbers)))
    told, widest = None, limit
    for value in values:
        share = {label: sum(one[fact] == value for one in facts[label]) / len(facts[label]) for label in LABELS}
        less, more = sorted(LABELS, key=lambda label: share[label])
        if share[more] - share[less] >= widest:
            told, widest = (
                f"{share[more]:.0%} of {more} is {value} but {share[less]:.0%} of {less}",
                share[more] - share[less],
            )
    return told
