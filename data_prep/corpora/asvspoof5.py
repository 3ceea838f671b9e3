"""ASVspoof 5, track 1.

Protocol lines, without header and separated by spaces despite the suffix ``.tsv``:
``SPEAKER FILE GENDER CODEC CODEC_QUALITY CODEC_SEED ATTACK_TAG ATTACK_LABEL KEY -`` (Wang et al. 2024, "ASVspoof 5";
README of the database). Bona fide lines carry the attack label ``bonafide``. The codec seed names the utterance that
was encoded, another one on each line, and is left out. Audio: ``flac_T``, ``flac_D``, ``flac_E_eval``.
"""

from collections.abc import Callable
from pathlib import Path

from data_prep.corpora.audio_folder import AudioFolder
from data_prep.corpora.layout import Layout, both
from data_prep.corpora.protocol import Columns, LineError, check_attack, parse_key, read_lists
from data_prep.utterance import NO_ATTACK, Corpus, Split, Utterance

_NAME = "asvspoof5"
_LISTS: dict[Split, str] = {"train": "train", "dev": "dev.track_1", "eval": "eval.track_1"}
_AUDIO: dict[Split, str] = {"train": "flac_T", "dev": "flac_D", "eval": "flac_E_eval"}
_COLUMNS = Columns("speaker file gender codec codec_quality codec_seed attack_tag attack_label key -")

# Wang et al. 2024, "ASVspoof 5: design, collection and validation of resources...", statistics of track 1.
_PUBLISHED = both((18_797, 163_560), (31_334, 109_616), (138_688, 542_086))


def _parse(root: Path, subset: str | None) -> Corpus:
    files = {split: root / f"ASVspoof5.{name}.tsv" for split, name in _LISTS.items()}
    # Some copies keep the protocols in a folder of their own beside the audio.
    has_audio = any((root / folder).is_dir() for folder in _AUDIO.values())
    audio_root = root if has_audio else root.parent
    lists = read_lists(files, lambda split: _line_parser(split, AudioFolder(audio_root / _AUDIO[split])))
    return Corpus(_NAME, audio_root, *lists, _PUBLISHED)


def _line_parser(split: Split, audio: AudioFolder) -> Callable[[list[str]], Utterance]:
    shared: dict[tuple[str, ...], dict[str, str]] = {}

    def parse(fields: list[str]) -> Utterance:
        _COLUMNS.check(fields)
        speaker, name, gender, codec, quality, _, tag, attack, key, _ = fields
        label = parse_key(key)
        if (attack == "bonafide") != (label == "bonafide"):
            raise LineError(f"attack label {attack!r} does not fit key {key!r}")
        attack = NO_ATTACK if label == "bonafide" else attack
        check_attack(attack, label)
        values = (gender, codec, quality, tag)
        if values not in shared:  # a million lines have a few hundred combinations of facts among them
            facts = zip(("gender", "codec", "codec_quality", "attack_tag"), values, strict=True)
            shared[values] = {fact: value for fact, value in facts if value != "-"}
        return Utterance(name, audio.path(name), split, speaker, attack, label, shared[values])

    return parse


LAYOUT = Layout(
    name=_NAME,
    title="ASVspoof 5, track 1 (crowdsourced speech, 32 attacks)",
    marks="hold the file ASVspoof5.train.tsv",
    audio="flac_T, flac_D, flac_E_eval: *.flac",
    source="doi.org/10.5281/zenodo.14498691, ODC-By",
    holds=lambda root: (root / "ASVspoof5.train.tsv").is_file(),
    parse=_parse,
    published={"": _PUBLISHED},
)
