"""Any corpus with a folder for each class, which may lie in a folder for each split.

``[train|dev|eval/]CLASS/[ATTACK/].../FILE``; the class is called ``bonafide``, ``real``, ``genuine`` or ``human``,
and ``spoof``, ``fake`` and the like. Folders directly below a spoofed class name attacks. Without folders for splits,
all of it is ``eval``. Speakers are not told. Every audio file below a class is an utterance.
"""

from collections.abc import Iterator
from pathlib import Path

from data_prep.audio_files import audio_below
from data_prep.corpora.audio_folder import subfolders
from data_prep.corpora.layout import Layout
from data_prep.corpora.protocol import LABEL_WORDS, without_blanks
from data_prep.utterance import NO_ATTACK, UNKNOWN_ATTACK, UNKNOWN_SPEAKER, Corpus, Label, Split, Utterance

_NAME = "folders"
_CLASSES: dict[str, Label] = LABEL_WORDS | {
    "bona_fide": "bonafide",
    "spoofed": "spoof",
    "deepfake": "spoof",
    "synthetic": "spoof",
    "generated": "spoof",
}
_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "development", "val", "valid", "validation"), "dev"),
    **dict.fromkeys(("eval", "evaluation", "test", "testing"), "eval"),
}


def _parse(root: Path, subset: str | None) -> Corpus:
    utterances = tuple(
        _utterance(path, root, folder, split, label)
        for folder, split, label in _class_folders(root)
        for path in audio_below(folder)
    )
    return Corpus(_NAME, root, utterances, ())


def _class_folders(root: Path) -> Iterator[tuple[Path, Split, Label]]:
    for folder in subfolders(root):
        name = folder.name.lower()
        if name in _CLASSES:
            yield folder, "eval", _CLASSES[name]
        elif name in _SPLITS:
            for inner in subfolders(folder):
                if inner.name.lower() in _CLASSES:
                    yield inner, _SPLITS[name], _CLASSES[inner.name.lower()]


def _utterance(path: Path, root: Path, folder: Path, split: Split, label: Label) -> Utterance:
    parts = path.relative_to(folder).parts
    attack = without_blanks(parts[0]) if len(parts) > 1 else UNKNOWN_ATTACK
    # With its suffix, since an MP3 and a WAV file of one name are two utterances here.
    name = without_blanks(str(path.relative_to(root)))
    return Utterance(name, path, split, UNKNOWN_SPEAKER, NO_ATTACK if label == "bonafide" else attack, label)


LAYOUT = Layout(
    name=_NAME,
    title="Any corpus with a folder for each class",
    marks="hold folders for classes (bonafide, real, genuine, human; spoof, fake), or train, dev and eval with such",
    audio="[train|dev|eval/]CLASS/[ATTACK/]*",
    source="",
    holds=lambda root: next(_class_folders(root), None) is not None,
    parse=_parse,
    may_step_up=False,
    is_generic=True,
)
