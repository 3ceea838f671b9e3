"""MLAAD, the multi-language audio anti-spoofing dataset: text-to-speech in dozens of languages, no bona fide speech.

``fake/LANGUAGE/MODEL/*.wav``, in each folder a ``meta.csv`` whose fields are separated by ``|``:
``path|original_file|language|is_original_language|duration|training_data|model_name|architecture|transcript``
(Müller et al. 2024, "MLAAD: the multi-language audio anti-spoofing dataset"). Quotation marks are text there, by its
users' account: transcripts hold single ones. The attack is the model's folder, whatever the language; voices are not
told. A folder without ``meta.csv`` is listed. There are no splits: all of it is ``eval``. The corpus grows with each
version, a thousand files a model and language, so no count stands for it.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from data_prep.audio_files import audio_below
from data_prep.corpora.audio_folder import AudioFolder, split_name, subfolders
from data_prep.corpora.layout import Layout
from data_prep.corpora.protocol import Faults, LineError, csv_rows, without_blanks
from data_prep.utterance import UNKNOWN_SPEAKER, Corpus, Utterance

_NAME = "mlaad"
_META = "meta.csv"


def _parse(root: Path, subset: str | None) -> Corpus:
    faults = Faults()
    folders = [model for language in subfolders(root / "fake") for model in subfolders(language)]
    utterances = tuple(utterance for folder in folders for utterance in _utterances(folder, faults))
    faults.check()
    files = tuple(folder / _META for folder in folders if (folder / _META).is_file())
    return Corpus(_NAME, root, utterances, files)


def _utterances(folder: Path, faults: Faults) -> Iterator[Utterance]:
    meta = folder / _META
    if not meta.is_file():
        for path in audio_below(folder):
            yield _utterance(path, folder, {})
        return
    audio = AudioFolder(folder)
    rows = csv_rows(meta, "|", has_quotes=False)
    _, header = next(rows, (0, []))
    for number, row in rows:
        try:
            yield _described(header, row, folder, audio)
        except LineError as error:
            faults.add(meta, number, "|".join(row), str(error))


def _described(header: list[str], row: list[str], folder: Path, audio: AudioFolder) -> Utterance:
    # The transcript, at the end, may hold the separator or be missing.
    values = dict(zip(header, row, strict=False))
    file = PurePosixPath(values.get("path", "")).name
    if not file:
        raise LineError("the column 'path' must name a file")
    if "architecture" in header and "architecture" not in values:
        raise LineError("the fields up to 'architecture' are expected")
    return _utterance(audio.named(file)[1], folder, {"architecture": values.get("architecture", "")})


def _utterance(path: Path, folder: Path, facts: dict[str, str]) -> Utterance:
    language, model = folder.parent.name, without_blanks(folder.name)
    name = without_blanks(f"{language}/{model}/{split_name(path.name)[0]}")
    channel = {"language": language} | {fact: value for fact, value in facts.items() if value}
    return Utterance(name, path, "eval", UNKNOWN_SPEAKER, model, "spoof", channel)


def _holds(root: Path) -> bool:
    return any((model / _META).is_file() for language in subfolders(root / "fake") for model in subfolders(language))


LAYOUT = Layout(
    name=_NAME,
    title="MLAAD (text-to-speech in many languages; bona fide speech from elsewhere)",
    marks=f"hold fake/LANGUAGE/MODEL/{_META}",
    audio="fake/LANGUAGE/MODEL/*.wav",
    source="deepfake-total.com/mlaad",
    holds=_holds,
    parse=_parse,
)
