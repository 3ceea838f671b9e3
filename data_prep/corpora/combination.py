"""Several corpora as one: train on one, validate or evaluate on others, or take bona fide speech from elsewhere."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from data_prep.corpora.layout import completeness_notes
from data_prep.utterance import NO_ATTACK, UNKNOWN_SPEAKER, Corpus, Utterance

_SHOWN = 5


def combine(main: Corpus, extras: Mapping[str, Corpus]) -> Corpus:
    """The utterances of all corpora; ids, speakers and attacks of the extra ones begin with ``NAME/``.

    In the index, ``Utterance.corpus`` is that name, and the layout of the main corpus for its own utterances.
    """
    corpora = {main.layout: main} | dict(extras)
    utterances = [_named(utterance, main.layout, "") for utterance in main.utterances]
    for name, corpus in extras.items():
        utterances += [_named(utterance, name, f"{name}/") for utterance in corpus.utterances]
    return Corpus(
        layout="+".join(corpus.layout for corpus in corpora.values()),
        root=main.root,
        utterances=tuple(utterances),
        protocol_files=(),
        parts=tuple(_part(corpus, name) for name, corpus in corpora.items()),
        notes=(
            *(f"{name}: {note}" for name, corpus in corpora.items() for note in completeness_notes(corpus)),
            *_common_speakers(corpora),
        ),
    )


def _named(utterance: Utterance, name: str, prefix: str) -> Utterance:
    return Utterance(
        utterance_id=prefix + utterance.utterance_id,
        path=utterance.path,
        split=utterance.split,
        speaker=utterance.speaker if utterance.speaker == UNKNOWN_SPEAKER else prefix + utterance.speaker,
        attack=utterance.attack if utterance.attack == NO_ATTACK else prefix + utterance.attack,
        label=utterance.label,
        channel=utterance.channel,
        corpus=name,
    )


def _part(corpus: Corpus, name: str) -> Corpus:
    """``corpus`` as it was published."""
    (published,) = corpus.parts or (corpus.without_utterances(),)
    return replace(published, name=name)


def _common_speakers(corpora: Mapping[str, Corpus]) -> tuple[str, ...]:
    """A note on speakers of whom one corpus trains and another one tests, by their ids before these get prefixes.

    Corpora of one family, such as ASVspoof 2019 and 2021, mean the same people by the same ids; others need not.
    """
    trained: dict[str, set[str]] = defaultdict(set)
    tested: dict[str, set[str]] = defaultdict(set)
    for name, corpus in corpora.items():
        for utterance in corpus.utterances:
            if utterance.speaker != UNKNOWN_SPEAKER:
                (trained if utterance.split == "train" else tested)[utterance.speaker].add(name)
    both = trained.keys() & tested.keys()
    common = sorted(speaker for speaker in both if len(trained[speaker] | tested[speaker]) > 1)
    if not common:
        return ()
    shown = ", ".join(common[:_SHOWN]) + (", ..." if len(common) > _SHOWN else "")
    return (
        f"{len(common):,} speaker ids stand in train of one corpus and in dev or eval of another ({shown}): "
        "perhaps the same people",
    )
