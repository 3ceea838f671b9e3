"""ASVspoof 2017, versions 1 and 2: replayed speech.

Protocol lines, without header: ``FILE KEY SPEAKER PHRASE ENVIRONMENT PLAYBACK RECORDING``; the key is ``genuine`` or
``spoof``, the last three are ``-`` for genuine speech (the database's protocols; Delgado et al. 2018, "ASVspoof 2017
Version 2.0: meta-data analysis and baseline enhancements"). An attack is a replay configuration: environment, playback
and recording device, joined. Audio: ``ASVspoof2017_V2_train/*.wav`` and so on.
"""

from pathlib import Path

from data_prep.corpora.audio_folder import AudioFolder, split_name
from data_prep.corpora.layout import Layout, both
from data_prep.corpora.protocol import Columns, Faults, parse_key, parse_lines
from data_prep.utterance import NO_ATTACK, SPLITS, Corpus, Split, Utterance

_NAME = "asvspoof2017"
_LISTS: dict[Split, str] = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}
_VERSIONS = {"protocol_V2": "ASVspoof2017_V2", "protocol": "ASVspoof2017"}
"""Folder of the protocols, and what its files and the audio folders begin with."""
_COLUMNS = Columns("file key speaker phrase environment playback recording")

# Version 2, Delgado et al. 2018, table 1; the evaluation list of version 1 was published without keys.
_PUBLISHED = both((1_507, 1_507), (760, 950), (1_298, 12_008))


def _parse(root: Path, subset: str | None) -> Corpus:
    """A missing evaluation list leaves that split empty; train and dev must be there."""
    folder = next(folder for folder in _VERSIONS if _train_list(root, folder).is_file())
    stem = _VERSIONS[folder]
    files = {split: root / folder / f"{stem}_{_LISTS[split]}.txt" for split in SPLITS}
    if not files["eval"].exists():
        del files["eval"]
    faults = Faults()
    utterances: list[Utterance] = []
    for split, path in files.items():
        audio = AudioFolder(root / f"{stem}_{split}")
        utterances += parse_lines(path, lambda fields, s=split, a=audio: _utterance(fields, s, a), faults)  # type: ignore[misc]
    faults.check()
    published = _PUBLISHED if folder == "protocol_V2" else None
    return Corpus(_NAME, root, tuple(utterances), tuple(files.values()), published)


def _utterance(fields: list[str], split: Split, audio: AudioFolder) -> Utterance:
    _COLUMNS.check(fields)
    file, key, speaker, phrase, environment, playback, recording = fields
    label = parse_key(key, bonafide="genuine")
    attack = NO_ATTACK if label == "bonafide" else f"{environment}-{playback}-{recording}"
    name = split_name(file)[0]
    return Utterance(name, audio.path(name), split, speaker, attack, label, {"phrase": phrase})


def _train_list(root: Path, folder: str) -> Path:
    return root / folder / f"{_VERSIONS[folder]}_train.trn.txt"


LAYOUT = Layout(
    name=_NAME,
    title="ASVspoof 2017 (replay)",
    marks="hold protocol_V2/ASVspoof2017_V2_train.trn.txt (or, of version 1, protocol/ASVspoof2017_train.trn.txt)",
    audio="ASVspoof2017_V2_{train,dev,eval}/*.wav",
    source="doi.org/10.7488/ds/2332, CC BY-NC 4.0",
    holds=lambda root: any(_train_list(root, folder).is_file() for folder in _VERSIONS),
    parse=_parse,
    published={"": _PUBLISHED},
)
