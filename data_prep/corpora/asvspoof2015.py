"""ASVspoof 2015: speech synthesis and voice conversion, attacks S1-S10.

Protocol lines, without header: ``SPEAKER FILE ATTACK KEY``; key and attack are ``human`` for bona fide, the key is
``spoof`` otherwise (the database's protocols; Wu et al. 2015, "ASVspoof 2015: the first automatic speaker verification
spoofing and countermeasures challenge"). Audio: ``wav/SPEAKER/FILE.wav``.
"""

from functools import partial
from pathlib import Path

from data_prep.corpora.audio_folder import AudioFolder
from data_prep.corpora.layout import Layout, both
from data_prep.corpora.protocol import Columns, LineError, parse_key, read_lists
from data_prep.utterance import NO_ATTACK, Corpus, Split, Utterance

_NAME = "asvspoof2015"
_PROTOCOLS = "CM_protocol"
_LISTS: dict[Split, str] = {"train": "train.trn", "dev": "develop.ndx", "eval": "evaluation.ndx"}
_COLUMNS = Columns("speaker file attack key")

# Train and dev counted in the published lists; Wu et al. 2015, table 1, for the evaluation set (193,404 in all).
_PUBLISHED = both((3_750, 12_625), (3_497, 49_875), (9_404, 184_000))


class _Speakers:
    """The audio of all speakers, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folders: dict[str, AudioFolder] = {}

    def path(self, speaker: str, file: str) -> Path:
        if speaker not in self._folders:
            self._folders[speaker] = AudioFolder(self._folder / speaker)
        return self._folders[speaker].path(file, ".wav")


def _parse(root: Path, subset: str | None) -> Corpus:
    files = {split: root / _PROTOCOLS / f"cm_{name}.txt" for split, name in _LISTS.items()}
    audio = _Speakers(root / "wav")
    return Corpus(_NAME, root, *read_lists(files, lambda split: partial(_utterance, split, audio)), _PUBLISHED)


def _utterance(split: Split, audio: _Speakers, fields: list[str]) -> Utterance:
    _COLUMNS.check(fields)
    speaker, name, attack, key = fields
    label = parse_key(key, bonafide="human")
    if (label == "bonafide") != (attack == "human"):
        raise LineError(f"attack {attack!r} does not fit key {key!r}")
    attack = NO_ATTACK if label == "bonafide" else attack
    return Utterance(name, audio.path(speaker, name), split, speaker, attack, label)


LAYOUT = Layout(
    name=_NAME,
    title="ASVspoof 2015 (synthesis and conversion)",
    marks=f"hold the folder {_PROTOCOLS} with cm_train.trn.txt",
    audio="wav/SPEAKER/*.wav",
    source="doi.org/10.7488/ds/298, CC BY",
    holds=lambda root: (root / _PROTOCOLS / "cm_train.trn.txt").is_file(),
    parse=_parse,
    published={"": _PUBLISHED},
)
