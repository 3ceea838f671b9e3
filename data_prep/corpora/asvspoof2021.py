"""ASVspoof 2021 logical access (LA), deepfake (DF) and physical access (PA); evaluation data alone.

Lines of ``keys/<LA|DF|PA>/CM/trial_metadata.txt``, without header (README of the organisers' evaluation package,
github.com/asvspoof-challenge/2021):

- LA: ``SPEAKER TRIAL CODEC TRANSMISSION ATTACK KEY TRIM SUBSET``;
- DF: ``SPEAKER TRIAL CODEC SOURCE ATTACK KEY TRIM SUBSET VOCODER TASK TEAM GENDERS LANGUAGE``;
- PA: ``SPEAKER TRIAL ROOM MICROPHONE DISTANCE ATTACKER_ROOM ATTACKER_MICROPHONE DEVICE ATTACKER_DISTANCE KEY TRIM
  SUBSET``. There is no attack; as in ASVspoof 2019 PA, it is told here by the quality of the replay device and the
  attacker's distance from the talker.

The subset is ``eval`` (published figures use it alone), ``progress`` or ``hidden``. Bona fide trials carry the attack
``bonafide`` or ``-``. Audio: ``ASVspoof2021_LA_eval/flac/*.flac``, also in parts (``ASVspoof2021_DF_eval_part00``...).
"""

from collections.abc import Callable
from pathlib import Path

from data_prep.corpora.audio_folder import AudioFolder, existing, subfolders
from data_prep.corpora.layout import Layout, both
from data_prep.corpora.protocol import Columns, Faults, LineError, check_attack, parse_key, parse_lines
from data_prep.utterance import NO_ATTACK, Corpus, Tally, Utterance

_SUBSETS = ("eval", "progress", "hidden")
_COLUMNS = {
    "LA": Columns("speaker trial codec transmission attack key trim subset"),
    "DF": Columns("speaker trial codec source attack key trim subset vocoder task team genders language"),
    "PA": Columns(
        "speaker trial room microphone distance attacker_room attacker_microphone device attacker_distance "
        "key trim subset"
    ),
}

# Liu et al. 2023, "ASVspoof 2021: towards spoofed and deepfake speech detection in the wild", on the subset eval.
_PUBLISHED: dict[str, Tally] = {
    "LA": both((0, 0), (0, 0), (14_816, 133_360)),
    "DF": both((0, 0), (0, 0), (14_869, 519_059)),
    "PA": both((0, 0), (0, 0), (94_068, 627_264)),
}


def _parse(task: str, root: Path, subset: str) -> Corpus:
    path = _keys(task, root)
    audio, faults = AudioFolder(*_audio_folders(task, root)), Faults()
    parse = _line_parser(task, subset, audio)
    utterances = tuple(utterance for utterance in parse_lines(path, parse, faults) if utterance)
    faults.check()
    published = _PUBLISHED[task] if subset == "eval" else None
    return Corpus(f"asvspoof2021-{task.lower()}", root, utterances, (path,), published)


def _line_parser(task: str, subset: str, audio: AudioFolder) -> Callable[[list[str]], Utterance | None]:
    """Makes the utterance of a line, or none if it belongs to another subset."""
    columns = _COLUMNS[task]
    places = {name: place for place, name in enumerate(columns.names.split())}
    key, part = places["key"], places["subset"]
    facts = {name: place for name, place in places.items() if place > 1 and name not in ("attack", "key", "subset")}
    attack_places = [places["attack"]] if "attack" in places else [places["device"], places["attacker_distance"]]
    shared: dict[tuple[str, ...], dict[str, str]] = {}

    def parse(fields: list[str]) -> Utterance | None:
        columns.check(fields)
        label = parse_key(fields[key])
        if fields[part] not in _SUBSETS:
            raise LineError(f"the subset must be one of {', '.join(_SUBSETS)}, found {fields[part]!r}")
        attack = "-".join(fields[place] for place in attack_places)
        if (task == "PA" and label == "bonafide") or attack == "bonafide":
            attack = NO_ATTACK
        check_attack(attack, label)
        if fields[part] != subset:
            return None
        values = tuple(fields[2:])
        if values not in shared:  # a million trials have a few hundred combinations of facts among them
            shared[values] = {name: fields[place] for name, place in facts.items() if fields[place] != "-"}
        return Utterance(fields[1], audio.path(fields[1]), "eval", fields[0], attack, label, shared[values])

    return parse


def _keys(task: str, root: Path) -> Path:
    """``trial_metadata.txt`` as the keys unpack, in a folder of their own or not."""
    inner = Path("keys", task, "CM", "trial_metadata.txt")
    packed = root / f"{task}-keys-full" / inner
    return packed if packed.is_file() else root / inner


def _audio_folders(task: str, root: Path) -> list[Path]:
    name = f"ASVspoof2021_{task}_eval"
    parts = [folder for folder in subfolders(root) if folder.name.startswith(name)]
    nested = [folder / name / "flac" for folder in parts]
    return existing([folder / "flac" for folder in parts] + nested) or [root / name / "flac"]


def _layout(task: str, title: str, source: str) -> Layout:
    return Layout(
        name=f"asvspoof2021-{task.lower()}",
        title=f"ASVspoof 2021 {title}",
        marks=f"hold keys/{task}/CM/trial_metadata.txt",
        audio=f"ASVspoof2021_{task}_eval*/flac/*.flac",
        source=f"{source}; keys: asvspoof.org",
        holds=lambda root: _keys(task, root).is_file(),
        parse=lambda root, subset: _parse(task, root, subset or "eval"),
        subsets=_SUBSETS,
        default_subset="eval",
        published={"eval": _PUBLISHED[task]},
    )


LA = _layout("LA", "logical access (telephony)", "doi.org/10.5281/zenodo.4837263, ODC-By")
DF = _layout("DF", "deepfake (compression)", "doi.org/10.5281/zenodo.4835108, ODC-By")
PA = _layout("PA", "physical access (replay in real rooms)", "doi.org/10.5281/zenodo.4834716")
