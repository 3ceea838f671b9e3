"""Files to records, and files that cannot be measured."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from miniature import aac, make_la, prep_config, speech

from data_prep.audit.measure import Measurement, measure
from data_prep.audit.survey import draw_files, survey
from data_prep.config import CorpusConfig, PrepConfig
from data_prep.utterance import Corpus, Split, Utterance
from data_prep.validation import Rejection

Write = Callable[..., Path]
CONFIG = PrepConfig(corpus=CorpusConfig(layout="manifest", root="unused"))


def record(path: Path, config: PrepConfig = CONFIG, split: Split = "train", **channel: str) -> Measurement | Rejection:
    utterance = Utterance(path.stem, path, split, "s", "-", "bonafide", channel)
    return measure(utterance, Corpus("manifest", path.parent, (), ()), config)


def measured(path: Path, config: PrepConfig = CONFIG, **channel: str) -> Measurement:
    found = record(path, config, **channel)
    assert isinstance(found, Measurement)
    return found


def with_corpus(**changes: object) -> PrepConfig:
    return CONFIG.model_copy(update={"corpus": CONFIG.corpus.model_copy(update=changes)})


def test_facts_of_a_file(audio_file: Write) -> None:
    wave = speech(1.0) + np.float32(0.05)
    found = measured(audio_file("a.wav", np.stack([wave, wave], 1), subtype="PCM_24"), codec="amr", codec_seed="7")
    assert (found.container, found.coding, found.sample_rate, found.channels) == ("WAV", "PCM_24", 16000, 2)
    assert found.file == "a.wav"
    assert found.told_channel == "codec amr"
    assert found.duration_s == 1.0
    assert found.dc_offset == pytest.approx(float(wave.mean()), abs=1e-5)
    assert found.peak == pytest.approx(float(np.abs(wave).max()), abs=1e-5)
    assert found.spectrum_db.shape == (64,)


def test_a_copy_in_another_container_has_the_same_audio(audio_file: Write) -> None:
    path = audio_file("a.flac")
    wave, rate = soundfile.read(path)
    flac, wav = measured(path), measured(audio_file("b.wav", wave, rate, subtype="PCM_24"))
    other = measured(audio_file("c.flac", speech(seed=1)))
    assert flac.audio_hash == wav.audio_hash != other.audio_hash
    assert flac.file_hash != wav.file_hash


def test_measured_at_the_stored_rate(audio_file: Write) -> None:
    rng = np.random.default_rng(0)
    found = measured(audio_file("a.wav", 0.1 * rng.standard_normal(44100), 44100))
    assert found.sample_rate == 44100
    assert found.bandwidth_hz == pytest.approx(22050, abs=125)


def test_only_what_preparation_keeps_is_measured(audio_file: Write) -> None:
    found = measured(audio_file("a.wav", speech(2.0)), with_corpus(max_duration_s=0.5))
    assert found.duration_s == 0.5
    assert found.notes == "cut to 0.5 s"


def test_what_preparation_would_find_too_short_is_set_aside(audio_file: Write) -> None:
    """Views of training utterances must last a window each; what is validated on has no views."""
    fast = {"policies": {"fast": {"steps": [{"kind": "stretch", "rate": [8.0, 8.0]}]}}}
    config = PrepConfig.model_validate({"corpus": CONFIG.corpus, "augmentation": fast})
    path = audio_file("a.wav", speech(0.2))
    assert isinstance(record(path, config, split="dev"), Measurement)
    refused = record(path, config, split="train")
    assert isinstance(refused, Rejection)
    assert refused.reason == "too short: 0.2 s, at least 0.24 s wanted"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty file (0 bytes)"), (b"text", "not readable as audio"), (None, "file missing")],
)
def test_what_cannot_be_measured_has_a_reason(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "a.flac"
    if content is not None:
        path.write_bytes(content)
    found = record(path)
    assert isinstance(found, Rejection)
    assert found.reason.startswith(reason)


def test_what_only_ffmpeg_reads_is_measured_where_preparation_converts(tmp_path: Path) -> None:
    aac(tmp_path / "a.m4a", speech(1.0))
    assert isinstance(record(tmp_path / "a.m4a"), Rejection)
    found = measured(tmp_path / "a.m4a", with_corpus(convert=True))
    assert (found.container, found.coding) == ("AAC", "aac")
    assert found.duration_s == pytest.approx(1.0, abs=0.15)


def utterances(root: Path, number: int) -> list[Utterance]:
    return [
        Utterance(
            f"u{i}", root / f"{i}.flac", "train", "s", "A01" if i % 10 else "-", "spoof" if i % 10 else "bonafide"
        )
        for i in range(number)
    ]


def test_a_sample_keeps_the_shares_and_depends_on_its_seed_alone(tmp_path: Path) -> None:
    everything = utterances(tmp_path, 200)
    drawn = draw_files(everything, 50, seed=1)
    assert len(drawn) == 50
    assert sum(u.label == "bonafide" for u in drawn) == 5
    assert {u.utterance_id for u in draw_files(everything[::-1], 50, seed=1)} == {u.utterance_id for u in drawn}
    assert draw_files(everything, 50, seed=2) != drawn
    assert draw_files(everything, None, seed=1) == everything


def test_a_sample_leaves_no_class_out(tmp_path: Path) -> None:
    assert {u.label for u in draw_files(utterances(tmp_path, 200), 4, seed=1)} == {"bonafide", "spoof"}


@pytest.mark.slow
def test_two_workers_find_what_one_finds(tmp_path: Path) -> None:
    """Slow: starts two processes."""
    from data_prep.corpora import read_corpus

    config = prep_config(make_la(tmp_path / "LA", per_class=4))
    corpus = read_corpus(config.corpus, Path(), seed=0)
    (corpus.root / "ASVspoof2019_LA_train" / "flac" / "LA_T_0000000.flac").write_text("text")
    alone, together = (
        [replace(one, spectrum_db=None) if isinstance(one, Measurement) else one for one in found]  # type: ignore[arg-type]
        for found in (survey(corpus.utterances, corpus, config, workers) for workers in (1, 2))
    )
    assert alone == together
    assert sum(isinstance(one, Rejection) for one in alone) == 1
