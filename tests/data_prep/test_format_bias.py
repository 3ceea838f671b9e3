"""Codecs and sampling rates that betray the class are warned about; those that do not are not."""

from pathlib import Path

import pytest
import soundfile
from miniature import make_la, prep_config, speech
from typer.testing import CliRunner

from data_prep.cli import app
from data_prep.config import CorpusConfig
from data_prep.corpora import read_corpus
from data_prep.format_bias import format_warnings, sample
from data_prep.utterance import Utterance
from data_prep.validation import validate


def train(la_root: Path, label: str) -> list[Utterance]:
    corpus = read_corpus(CorpusConfig(layout="asvspoof2019-la", root=str(la_root)), Path(), seed=0)
    return [u for u in corpus.utterances if (u.split, u.label) == ("train", label)]


def warnings(la_root: Path, convert: bool = False) -> list[str]:
    config = CorpusConfig(layout="asvspoof2019-la", root=str(la_root), convert=convert)
    return [text for text in validate(read_corpus(config, Path(), seed=0), config).warnings if "would learn" in text]


def rewrite(utterance: Utterance, rate: int = 16000, format: str = "FLAC", subtype: str = "PCM_16") -> None:
    """The codec hides behind the suffix, as it does in the wild."""
    soundfile.write(utterance.path, speech(0.5, rate), rate, format=format, subtype=subtype)


def test_corpus_of_one_format_gives_no_warning(la_root: Path) -> None:
    assert warnings(la_root) == warnings(la_root, convert=True) == []


def test_one_class_is_mp3(la_root: Path) -> None:
    for utterance in train(la_root, "spoof"):
        rewrite(utterance, format="MP3", subtype="MPEG_LAYER_III")
    for convert in (False, True):
        (text,) = warnings(la_root, convert)
        assert text.startswith("train: 100% of spoof is MP3 but 0% of bonafide: the detector would learn the codec")


def test_both_classes_are_mp3_alike(la_root: Path) -> None:
    for utterance in train(la_root, "spoof") + train(la_root, "bonafide"):
        rewrite(utterance, format="MP3", subtype="MPEG_LAYER_III")
    assert warnings(la_root, convert=True) == []


def test_one_class_has_another_sampling_rate(la_root: Path) -> None:
    for utterance in train(la_root, "bonafide"):
        rewrite(utterance, rate=44100)
    (text,) = warnings(la_root)
    assert text.startswith("train: 100% of bonafide is 44100 Hz but 0% of spoof: the detector would learn the band")


def test_conversion_that_changes_the_samples_of_one_class(la_root: Path) -> None:
    """24-bit WAVs are rounded, 16-bit ones keep every sample."""
    for utterance in train(la_root, "bonafide"):
        rewrite(utterance, format="WAV", subtype="PCM_24")
    assert warnings(la_root) == []
    (text,) = warnings(la_root, convert=True)
    assert text.startswith("train: 100% of bonafide is changed but 0% of spoof by corpus.convert")
    for utterance in train(la_root, "bonafide"):
        rewrite(utterance, format="WAV")
    assert warnings(la_root, convert=True) == []


def test_a_chance_difference_of_a_few_files_is_passed_over(la_root: Path) -> None:
    rewrite(train(la_root, "spoof")[0], format="MP3", subtype="MPEG_LAYER_III")
    assert warnings(la_root) == []


def test_a_nearly_pure_class(tmp_path: Path) -> None:
    root = make_la(tmp_path / "LA", per_class=50, seconds=0.1)
    for utterance in train(root, "spoof")[1:]:
        rewrite(utterance, format="OGG", subtype="VORBIS")
    (text,) = warnings(root)
    assert text.startswith("train: 98% of spoof is Vorbis but 0% of bonafide")


def test_sample_is_even_seeded_and_independent_of_order() -> None:
    names = [(f"{label}{i}", label) for label, number in (("spoof", 900), ("bonafide", 100)) for i in range(number)]
    utterances = [Utterance(name, Path(name), "train", "-", "-", label) for name, label in names]  # type: ignore[arg-type]
    drawn = sample(utterances, 100, seed=1)
    assert len(drawn) == 100
    assert sum(utterance.label == "bonafide" for utterance in drawn) == 50
    assert set(sample(utterances[::-1], 100, seed=1)) == set(drawn)
    assert set(sample(utterances, 100, seed=2)) != set(drawn)


def test_the_sample_is_told(la_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for utterance in train(la_root, "spoof"):
        rewrite(utterance, format="MP3", subtype="MPEG_LAYER_III")
    monkeypatch.setattr("data_prep.format_bias.SAMPLE_SIZE", 12)
    corpus = read_corpus(prep_config(la_root).corpus, Path(), seed=0)
    (text,) = format_warnings(corpus.utterances, convert=False)
    assert text.endswith("(12 of 18 files looked at)")


def test_corpus_command_prints_it(la_root: Path) -> None:
    for utterance in train(la_root, "spoof"):
        rewrite(utterance, format="MP3", subtype="MPEG_LAYER_III")
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["corpus", "inspect", str(la_root)])
    assert "warning: train: 100% of spoof is MP3" in result.output
