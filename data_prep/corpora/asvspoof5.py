"""ASVspoof 5, track 1.

Protocol lines, without header and separated by spaces despite the suffix ``.tsv``:
``SPEAKER FILE GENDER CODEC CODEC_QUALITY CODEC_SEED ATTACK_TAG ATTACK_LABEL KEY -`` (Wang et al. 2024, "ASVspoof 5").
Bona fide lines carry the attack label ``bonafide``. Audio: ``flac_T``, ``flac_D``, ``flac_E_eval``.
"""

from pathlib import Path

from data_prep.corpora.protocol import (
    AudioFolder,
    Faults,
    LineError,
    find_root,
    parse_label,
    parse_lines,
    require_fields,
)
from data_prep.utterance import NO_ATTACK, SPLITS, Corpus, Split, Utterance

_LISTS: dict[Split, str] = {"train": "train", "dev": "dev.track_1", "eval": "eval.track_1"}
_AUDIO: dict[Split, str] = {"train": "flac_T", "dev": "flac_D", "eval": "flac_E_eval"}
_COLUMNS = "speaker file gender codec codec_quality codec_seed attack_tag attack_label key -"


def read(root: Path) -> Corpus:
    """Parse the tree in ``root``, or one level off; without its eval list, that split stays empty."""
    root = find_root(root, lambda folder: (folder / "ASVspoof5.train.tsv").is_file(), "the file ASVspoof5.train.tsv")
    files = {split: root / f"ASVspoof5.{_LISTS[split]}.tsv" for split in SPLITS}
    if not files["eval"].exists():
        del files["eval"]
    # Some copies keep the protocols in a folder of their own beside the audio.
    audio_root = root if (root / _AUDIO["train"]).is_dir() else root.parent
    faults = Faults()
    utterances: list[Utterance] = []
    for split, path in files.items():
        audio = AudioFolder(audio_root / _AUDIO[split])
        utterances += parse_lines(path, lambda fields, s=split, a=audio: _utterance(fields, s, a), faults)  # type: ignore[misc]
    faults.check()
    return Corpus("asvspoof5", audio_root, tuple(utterances), tuple(files.values()))


def _utterance(fields: list[str], split: Split, audio: AudioFolder) -> Utterance:
    require_fields(fields, _COLUMNS)
    speaker, name, gender, codec, quality, seed, tag, attack, key, _ = fields
    if (attack == "bonafide") != (key == "bonafide"):
        raise LineError(f"attack label {attack!r} does not fit key {key!r}")
    attack = NO_ATTACK if attack == "bonafide" else attack
    facts = {"gender": gender, "codec": codec, "codec_quality": quality, "codec_seed": seed, "attack_tag": tag}
    channel = {fact: value for fact, value in facts.items() if value != "-"}
    return Utterance(name, audio.path(name), split, speaker, attack, parse_label(key, attack), channel)
