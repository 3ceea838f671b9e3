"""ADD 2023, track 1.2 (detection): Mandarin speech.

``label.txt`` beside a folder ``wav``, lines ``FILE.wav genuine|fake``, once each in ``train``, ``dev`` and the test
rounds ``testR1`` and ``testR2``; one such folder alone is read as ``eval`` (Yi et al. 2023, "ADD 2023: the second audio
deepfake detection challenge"; the data set's files). Neither speakers nor attacks are told.
"""

from functools import partial
from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.corpora.audio_folder import AudioFolder, existing, subfolders
from data_prep.corpora.layout import Layout
from data_prep.corpora.protocol import Columns, Faults, parse_key, parse_lines
from data_prep.utterance import NO_ATTACK, UNKNOWN_ATTACK, UNKNOWN_SPEAKER, Corpus, Split, Utterance

_NAME = "add2023"
_LABELS = "label.txt"
_ROUNDS = ("R1", "R2")
_COLUMNS = Columns("file key")


def _parse(root: Path, subset: str | None) -> Corpus:
    folders = [(folder, split) for folder, split in _folders(root) if _is_wanted(folder, split, subset)]
    if subset and not any(split == "eval" for _, split in folders):
        raise SpoofsweepError(f"the root must hold the test round {subset}", root, "correct the subset")
    faults = Faults()
    utterances: list[Utterance] = []
    for folder, split in folders:
        audio = AudioFolder(*existing([folder / "wav", folder]))
        utterances += parse_lines(folder / _LABELS, partial(_utterance, split, audio), faults)
    faults.check()
    return Corpus(_NAME, root, tuple(utterances), tuple(folder / _LABELS for folder, _ in folders))


def _utterance(split: Split, audio: AudioFolder, fields: list[str]) -> Utterance:
    _COLUMNS.check(fields)
    file, key = fields
    label = parse_key(key, bonafide="genuine", spoof="fake")
    name, path = audio.named(file)
    attack = NO_ATTACK if label == "bonafide" else UNKNOWN_ATTACK
    return Utterance(name, path, split, UNKNOWN_SPEAKER, attack, label)


def _folders(root: Path) -> list[tuple[Path, Split]]:
    """Folders with labels in ``root``, by their split; ``root`` itself if it has labels."""
    if _is_labelled(root):
        return [(root, "eval")]
    splits = {folder: _split(folder) for folder in subfolders(root)}
    return [(folder, split) for folder, split in splits.items() if split and _is_labelled(folder)]


def _is_labelled(folder: Path) -> bool:
    """Whether its first label is one of this corpus, since other corpora have a ``label.txt`` too."""
    path = folder / _LABELS
    if not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        fields = next((line.split() for line in file if line.strip()), [])
    return len(fields) == 2 and fields[1] in ("genuine", "fake")


def _split(folder: Path) -> Split | None:
    if folder.name in ("train", "dev"):
        return folder.name  # type: ignore[return-value]
    return "eval" if folder.name.lower().startswith(("test", "eval")) else None


def _is_wanted(folder: Path, split: Split, subset: str | None) -> bool:
    return split != "eval" or subset is None or subset.lower() in folder.name.lower()


LAYOUT = Layout(
    name=_NAME,
    title="ADD 2023 track 1.2 (Mandarin)",
    marks=f"hold {_LABELS} (lines `FILE.wav genuine|fake`), or train, dev and test folders with one",
    audio="{train,dev,testR1,testR2}/wav/*.wav",
    source="addchallenge.cn/downloadADD2023",
    holds=lambda root: bool(_folders(root)),
    parse=_parse,
    subsets=_ROUNDS,
    default_subset="both test rounds",
)
