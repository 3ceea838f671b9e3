"""FakeOrReal (FoR): synthetic speech of commercial and open systems against read and recorded speech.

``for-VARIANT/{training,validation,testing}/{real,fake}/``, MP3 and WAV files mixed, some of them unreadable (Reimao
and Tzerpos 2019, "FoR: a dataset for synthetic speech detection"). The variants are ``original``, ``norm`` (normalised
in rate, level and class balance), ``2sec`` and ``rerec``; they hold the same speech, so one of them is read. Neither
speakers nor attacks are told.
"""

from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.audio_files import audio_below
from data_prep.corpora.layout import Layout, both
from data_prep.corpora.protocol import LABEL_WORDS, without_blanks
from data_prep.utterance import NO_ATTACK, UNKNOWN_ATTACK, UNKNOWN_SPEAKER, Corpus, Split, Utterance

_NAME = "fake-or-real"
_FOLDERS = {
    "original": ("for-original",),
    "norm": ("for-norm",),
    "2sec": ("for-2sec", "for-2seconds"),
    "rerec": ("for-rerec", "for-rerecorded"),
}
"""What the folder of each variant is called; archives unpack into two, nested, such as ``for-2sec/for-2seconds``."""
_VARIANTS = tuple(_FOLDERS)
_SPLITS: dict[str, Split] = {"training": "train", "validation": "dev", "testing": "eval"}
_CLASSES = ("real", "fake")

# Counted in the distributed archive of for-norm by several of its users.
_PUBLISHED = {"norm": both((26_941, 26_927), (5_400, 5_398), (2_264, 2_370))}


def _parse(root: Path, subset: str | None) -> Corpus:
    found = _variants(root)
    if subset is None and len(found) > 1:
        raise SpoofsweepError(
            "the subset must choose a variant of FakeOrReal where there are several",
            f"none; here are {', '.join(found)}",
            "set the subset to one of them",
        )
    variant = subset or next(iter(found))
    if variant not in found:
        raise SpoofsweepError(
            f"the root must hold for-{variant}", f"{root} (with: {', '.join(found)})", "correct the subset"
        )
    folder = found[variant]
    utterances = tuple(
        _utterance(path, folder, split, kind)
        for name, split in _SPLITS.items()
        for kind in _CLASSES
        if (folder / name / kind).is_dir()
        for path in audio_below(folder / name / kind)
    )
    return Corpus(_NAME, folder, utterances, (), _PUBLISHED.get(variant))


def _utterance(path: Path, folder: Path, split: Split, kind: str) -> Utterance:
    label = LABEL_WORDS[kind]
    attack = NO_ATTACK if label == "bonafide" else UNKNOWN_ATTACK
    # With its suffix, since an MP3 and a WAV file of one name are two utterances here.
    name = without_blanks(str(path.relative_to(folder)))
    return Utterance(name, path, split, UNKNOWN_SPEAKER, attack, label)


def _variants(root: Path) -> dict[str, Path]:
    """Folder of each variant in ``root``, which may be such a folder itself."""
    found = {}
    for variant, names in _FOLDERS.items():
        places = [root / name for name in names] + [root / outer / inner for outer in names for inner in names]
        places += [root] if root.name in names else []
        if holding := [place for place in places if _is_variant(place)]:
            found[variant] = holding[0]
    return found


def _is_variant(folder: Path) -> bool:
    return any((folder / "training" / kind).is_dir() for kind in _CLASSES)


LAYOUT = Layout(
    name=_NAME,
    title="FakeOrReal (commercial and open synthesis)",
    marks=f"hold for-{{{','.join(_VARIANTS)}}}/training/{{real,fake}}",
    audio="for-VARIANT/{training,validation,testing}/{real,fake}/*.{mp3,wav}",
    source="bil.eecs.yorku.ca/datasets",
    holds=lambda root: bool(_variants(root)),
    parse=_parse,
    subsets=_VARIANTS,
    default_subset="the only variant there",
    published=_PUBLISHED,
)
