"""ASVspoof 2017, versions 1 and 2: replayed speech.

Protocol lines, without header: ``FILE KEY SPEAKER PHRASE ENVIRONMENT PLAYBACK RECORDING``; the key is ``genuine`` or
``spoof``, the last three are ``-`` for genuine speech (the database's protocols; Delgado et al. 2018, "ASVspoof 2017
Version 2.0: meta-data analysis and baseline enhancements"). An attack is a replay configuration: environment, playback
and recording device, joined. Audio: ``ASVspoof2017_V2_train/*.wav`` and so on.
"""

from functools import partial
from pathlib import Path

from data_prep.corpora.audio_folder import AudioFolder
from data_prep.corpora.layout import Layout, both
from data_prep.corpora.protocol import Columns, parse_key, read_lists, read_text
from data_prep.utterance import NO_ATTACK, Corpus, Split, Utterance

_NAME = "asvspoof2017"
_LISTS: dict[Split, str] = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}
_KEYED = "eval_v2_key.trl"
"""What the evaluation list of version 1 is called since its keys are told; ``eval.trl`` had none."""
_VERSIONS = {"protocol_V2": "ASVspoof2017_V2", "protocol": "ASVspoof2017"}
"""Folder of the protocols, and what its files and the audio folders begin with."""
_COLUMNS = Columns("file key speaker phrase environment playback recording")

# Version 2, Delgado et al. 2018, table 1; none are known of the keyed evaluation list of version 1.
_PUBLISHED = both((1_507, 1_507), (760, 950), (1_298, 12_008))


def _parse(root: Path, subset: str | None) -> Corpus:
    folder = next(folder for folder in _VERSIONS if _train_list(root, folder).is_file())
    stem = _VERSIONS[folder]
    files = {split: root / folder / f"{stem}_{name}.txt" for split, name in _LISTS.items()}
    keyed = root / folder / f"{stem}_{_KEYED}.txt"
    files["eval"] = keyed if keyed.is_file() else files["eval"]
    notes: tuple[str, ...] = ()
    if _is_keyless(files["eval"]):
        notes = (f"eval is left out: {files.pop('eval').name} tells no keys",)
    lists = read_lists(files, lambda split: partial(_utterance, split, AudioFolder(root / f"{stem}_{split}")))
    return Corpus(_NAME, root, *lists, _PUBLISHED if folder == "protocol_V2" else None, notes=notes)


def _is_keyless(path: Path) -> bool:
    """Whether a list names files alone, as those do that are given out before a challenge."""
    if not path.is_file():
        return False
    for line in read_text(path).splitlines():
        if fields := line.split():
            return fields[1:2] in ([], ["-"])
    return False


def _utterance(split: Split, audio: AudioFolder, fields: list[str]) -> Utterance:
    _COLUMNS.check(fields)
    file, key, speaker, phrase, environment, playback, recording = fields
    label = parse_key(key, bonafide="genuine")
    attack = NO_ATTACK if label == "bonafide" else f"{environment}-{playback}-{recording}"
    name, path = audio.named(file)
    return Utterance(name, path, split, speaker, attack, label, {"phrase": phrase})


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
