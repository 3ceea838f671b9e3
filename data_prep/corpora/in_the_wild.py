"""In-the-Wild: speech of public figures and deepfakes of them; bona fide utterances outnumber the spoofs.

``meta.csv`` with the header ``file,speaker,label``, the label ``bona-fide`` or ``spoof`` (Müller et al. 2022, "Does
audio deepfake detection generalize?"). The attacks are not told. Published for evaluation: all of it is ``eval``.
Audio: beside ``meta.csv``.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from data_prep.corpora.audio_folder import AudioFolder
from data_prep.corpora.layout import Layout, both
from data_prep.corpora.protocol import Faults, LineError, csv_rows, parse_key
from data_prep.utterance import NO_ATTACK, UNKNOWN_ATTACK, UNKNOWN_SPEAKER, Corpus, Utterance

_NAME = "in-the-wild"
_META = "meta.csv"
_HEADER = ["file", "speaker", "label"]

# Counted in meta.csv by several of its users, 31,779 in all as in Müller et al. 2022.
_PUBLISHED = both((0, 0), (0, 0), (19_963, 11_816))


def _parse(root: Path, subset: str | None) -> Corpus:
    path, faults = root / _META, Faults()
    utterances = tuple(_utterances(path, AudioFolder(root), faults))
    faults.check()
    return Corpus(_NAME, root, utterances, (path,), _PUBLISHED)


def _utterances(path: Path, audio: AudioFolder, faults: Faults) -> Iterator[Utterance]:
    for number, row in islice(csv_rows(path), 1, None):
        try:
            yield _utterance(row, audio)
        except LineError as error:
            faults.add(path, number, ",".join(row), str(error))


def _utterance(row: list[str], audio: AudioFolder) -> Utterance:
    if len(row) != len(_HEADER):
        raise LineError(f"{len(_HEADER)} fields expected ({' '.join(_HEADER)}), found {len(row)}")
    file, speaker, key = (value.strip() for value in row)
    label = parse_key(key, bonafide="bona-fide")
    name, path = audio.named(file)
    attack = NO_ATTACK if label == "bonafide" else UNKNOWN_ATTACK
    return Utterance(name, path, "eval", speaker or UNKNOWN_SPEAKER, attack, label)


def _holds(root: Path) -> bool:
    path = root / _META
    if not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return [name.strip() for name in file.readline().split(",")] == _HEADER


LAYOUT = Layout(
    name=_NAME,
    title="In-the-Wild (public figures)",
    marks=f"hold a {_META} with the header {','.join(_HEADER)}",
    audio="*.wav beside meta.csv",
    source="deepfake-total.com/in_the_wild",
    holds=_holds,
    parse=_parse,
    published={"": _PUBLISHED},
)
