"""ASVspoof 2019 logical access (LA) and physical access (PA).

Protocol lines, without header: ``SPEAKER FILE ENVIRONMENT ATTACK KEY``; the environment is ``-`` in LA, the attack is
``-`` for bona fide (Wang et al. 2020, "ASVspoof 2019: a large-scale public database").
Audio: ``ASVspoof2019_LA_train/flac/FILE.flac``.
"""

from pathlib import Path

from data_prep.corpora.protocol import AudioFolder, Faults, find_root, parse_label, parse_lines, require_fields
from data_prep.utterance import SPLITS, Corpus, Split, Utterance

_LISTS: dict[Split, str] = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}


def read_la(root: Path) -> Corpus:
    """Parse an LA tree; ``root`` is the folder with ``ASVspoof2019_LA_cm_protocols``, or one level off."""
    return _read("LA", root)


def read_pa(root: Path) -> Corpus:
    """Parse a PA tree; ``root`` is the folder with ``ASVspoof2019_PA_cm_protocols``, or one level off."""
    return _read("PA", root)


def _read(access: str, root: Path) -> Corpus:
    """A missing eval list leaves that split empty; train and dev must be there."""
    protocols = f"ASVspoof2019_{access}_cm_protocols"
    root = find_root(root, lambda folder: (folder / protocols).is_dir(), f"the folder {protocols}")
    files = {split: root / protocols / f"ASVspoof2019.{access}.cm.{_LISTS[split]}.txt" for split in SPLITS}
    if not files["eval"].exists():
        del files["eval"]
    faults = Faults()
    utterances: list[Utterance] = []
    for split, path in files.items():
        audio = AudioFolder(root / f"ASVspoof2019_{access}_{split}" / "flac")
        utterances += parse_lines(path, lambda fields, s=split, a=audio: _utterance(fields, s, a), faults)  # type: ignore[misc]
    faults.check()
    return Corpus(f"asvspoof2019-{access.lower()}", root, tuple(utterances), tuple(files.values()))


def _utterance(fields: list[str], split: Split, audio: AudioFolder) -> Utterance:
    require_fields(fields, "speaker file environment attack key")
    speaker, name, environment, attack, key = fields
    channel = {} if environment == "-" else {"environment": environment}
    return Utterance(name, audio.path(name), split, speaker, attack, parse_label(key, attack), channel)
