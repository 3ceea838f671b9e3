"""ASVspoof 2019 logical access (LA) and physical access (PA).

Protocol lines, without header: ``SPEAKER FILE ENVIRONMENT ATTACK KEY``; the environment is ``-`` in LA, the attack is
``-`` for bona fide (Wang et al. 2020, "ASVspoof 2019: a large-scale public database").
Audio: ``ASVspoof2019_LA_train/flac/FILE.flac``.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from data_prep.corpora.audio_folder import AudioFolder
from data_prep.corpora.layout import Layout, both
from data_prep.corpora.protocol import Columns, check_attack, parse_key, read_lists
from data_prep.utterance import Corpus, Split, Tally, Utterance

_LISTS: dict[Split, str] = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}
_COLUMNS = Columns("speaker file environment attack key")

# Counted in the published protocols; Wang et al. 2020, table 4 for LA.
_PUBLISHED: dict[str, Tally] = {
    "LA": both((2_580, 22_800), (2_548, 22_296), (7_355, 63_882)),
    "PA": both((5_400, 48_600), (5_400, 24_300), (18_090, 116_640)),
}


def _parse(access: str, root: Path) -> Corpus:
    def parser(split: Split) -> Callable[[list[str]], Utterance]:
        return partial(_utterance, split, AudioFolder(root / f"ASVspoof2019_{access}_{split}" / "flac"))

    folder = root / _protocols(access)
    files = {split: folder / f"ASVspoof2019.{access}.cm.{name}.txt" for split, name in _LISTS.items()}
    return Corpus(f"asvspoof2019-{access.lower()}", root, *read_lists(files, parser), _PUBLISHED[access])


def _utterance(split: Split, audio: AudioFolder, fields: list[str]) -> Utterance:
    _COLUMNS.check(fields)
    speaker, name, environment, attack, key = fields
    label = parse_key(key)
    check_attack(attack, label)
    channel = {} if environment == "-" else {"environment": environment}
    return Utterance(name, audio.path(name), split, speaker, attack, label, channel)


def _protocols(access: str) -> str:
    return f"ASVspoof2019_{access}_cm_protocols"


def _layout(access: str, title: str) -> Layout:
    return Layout(
        name=f"asvspoof2019-{access.lower()}",
        title=f"ASVspoof 2019 {title}",
        marks=f"hold the folder {_protocols(access)}",
        audio=f"ASVspoof2019_{access}_{{train,dev,eval}}/flac/*.flac",
        source="doi.org/10.7488/ds/2555, ODC-By",
        holds=lambda root: (root / _protocols(access)).is_dir(),
        parse=lambda root, subset: _parse(access, root),
        published={"": _PUBLISHED[access]},
        asv_scores=f"ASVspoof2019_{access}_asv_scores/ASVspoof2019.{access}.asv.{{split}}.gi.trl.scores.txt",
    )


LA = _layout("LA", "logical access (synthesis and conversion)")
PA = _layout("PA", "physical access (replay)")
