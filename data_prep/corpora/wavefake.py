"""WaveFake: copy synthesis by neural vocoders, and the two bona fide corpora behind it, where they lie beside.

A folder a generator: ``ljspeech_melgan/*.wav``, ``jsut_parallel_wavegan/*.wav``...; the folder is the attack (Frank and
Schönherr 2021, "WaveFake: a data set to facilitate audio deepfake detection"). The folder of the text-to-speech
prompts repeats its files in a folder ``generated``, by its users' account; these are left out. Bona fide speech is
optional: ``LJSpeech-1.1`` and ``jsut_ver1.1`` as they unpack, or ``ljspeech_real`` and ``jsut_real``. There is one
speaker a corpus: the reader of LJSpeech (LJ) and that of JSUT. There are no splits: all of it is ``eval``.
"""

from collections.abc import Iterator
from pathlib import Path

from data_prep.audio_files import audio_below
from data_prep.corpora.audio_folder import split_name, subfolders
from data_prep.corpora.layout import Layout, both
from data_prep.corpora.protocol import without_blanks
from data_prep.utterance import NO_ATTACK, Corpus, Utterance

_NAME = "wavefake"
_GENERATED = {"ljspeech_": "LJ", "jsut_": "JSUT", "common_voices_prompts_": "LJ"}
"""What folders of generated speech begin with, and whose voice they imitate."""
_BONAFIDE = {"ljspeech-": "LJ", "ljspeech_real": "LJ", "jsut_ver": "JSUT", "jsut_real": "JSUT"}
"""What folders of bona fide speech begin with, in lower case, and who speaks there."""

# Datasheet of the data set: 117,985 generated clips.
_PUBLISHED = both((0, 0), (0, 0), (0, 117_985))


def _parse(root: Path, subset: str | None) -> Corpus:
    utterances = tuple(utterance for folder in subfolders(root) for utterance in _utterances(folder, root))
    return Corpus(_NAME, root, utterances, (), _PUBLISHED)


def _utterances(folder: Path, root: Path) -> Iterator[Utterance]:
    if speaker := _match(folder.name.lower(), _BONAFIDE):
        for path in audio_below(folder):
            yield Utterance(_name(path, root), path, "eval", speaker, NO_ATTACK, "bonafide")
    elif speaker := _match(folder.name, _GENERATED):
        files = [path for path in audio_below(folder) if path.parent == folder]
        for path in files or audio_below(folder):
            yield Utterance(_name(path, root), path, "eval", speaker, without_blanks(folder.name), "spoof")


def _name(path: Path, root: Path) -> str:
    relative = path.relative_to(root)
    return without_blanks(str(relative.with_name(split_name(path.name)[0])))


def _match(name: str, beginnings: dict[str, str]) -> str | None:
    return next((speaker for beginning, speaker in beginnings.items() if name.startswith(beginning)), None)


def _holds(root: Path) -> bool:
    names = [folder.name for folder in subfolders(root)]
    return any(_match(name, _GENERATED) and not _match(name.lower(), _BONAFIDE) for name in names)


LAYOUT = Layout(
    name=_NAME,
    title="WaveFake (neural vocoders; bona fide speech from elsewhere)",
    marks="hold folders of generated speech such as ljspeech_melgan",
    audio="GENERATOR/*.wav; optional LJSpeech-1.1/wavs, jsut_ver1.1",
    source="doi.org/10.5281/zenodo.5642694",
    holds=_holds,
    parse=_parse,
    may_step_up=False,
    published={"": _PUBLISHED},
)
