"""Every odd or broken input of the field: refused with a reason, or decoded to what a listener would hear."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from miniature import mp3, similarity, speech

from data_prep.decoding import DecodeError, decode, read_audio

Write = Callable[..., Path]


def reason(path: Path, **options: float) -> str:
    with pytest.raises(DecodeError) as caught:
        read_audio(path, 16000, **options)
    assert str(path) not in caught.value.reason
    return caught.value.reason


def test_flac_is_decoded_exactly(audio_file: Write) -> None:
    wave = speech()
    audio = read_audio(audio_file("a.flac", wave), 16000)
    np.testing.assert_allclose(audio.wave, wave, atol=1 / 32768)
    assert audio.wave.dtype == np.float32
    assert audio.notes == ()


def test_zero_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.flac").touch()
    assert reason(tmp_path / "a.flac") == "empty file (0 bytes)"


def test_text_named_flac(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_text("not audio at all\n" * 50)
    assert reason(tmp_path / "a.flac") == "not readable as audio: Format not recognised"


def test_missing_file_is_not_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "a.flac", 16000)


@pytest.mark.parametrize("share", [0.05, 0.34, 0.66, 0.95, 0.999])
def test_truncated_flac(audio_file: Write, share: float) -> None:
    path = audio_file("a.flac")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert reason(path).startswith(("not readable as audio", "truncated"))


def test_truncated_wav(audio_file: Write) -> None:
    path = audio_file("a.wav")
    path.write_bytes(path.read_bytes()[:20000])
    assert reason(path) == "truncated: 19956 of 32000 bytes of samples"


def test_flipped_bit_in_flac(audio_file: Write) -> None:
    path = audio_file("a.flac")
    sound = path.read_bytes()
    for position in np.random.default_rng(0).integers(9000, len(sound), 20):
        path.write_bytes(sound[:position] + bytes([sound[position] ^ 0x10]) + sound[position + 1 :])
        assert reason(path).startswith("not readable as audio")


def test_nan_samples(audio_file: Write) -> None:
    wave = speech()
    wave[[5, 6, 700]] = [np.nan, np.inf, -np.inf]
    assert reason(audio_file("a.wav", wave, subtype="FLOAT")) == "not finite: 3 of 16000 samples are NaN or infinite"


def test_nan_in_one_of_two_channels(audio_file: Write) -> None:
    wave = np.stack([speech(), speech(seed=1)], axis=1)
    wave[7, 1] = np.nan
    assert reason(audio_file("a.wav", wave, subtype="FLOAT")).startswith("not finite: 1 of")


def test_no_samples(audio_file: Write) -> None:
    assert reason(audio_file("a.wav", np.zeros(0, np.float32))) == "no samples"


def test_one_sample(audio_file: Write) -> None:
    path = audio_file("a.flac", np.full(1, 0.25, np.float32))
    assert reason(path, min_duration_s=0.1).startswith("too short: 6.25e-05 s")


def test_shortest_accepted_length(audio_file: Write) -> None:
    assert len(decode(audio_file("a.flac", speech(0.1)), 16000, min_duration_s=0.1)) == 1600


@pytest.mark.parametrize(("level", "expected"), [(0.0, "silent"), (0.5, "constant signal at 0.5")])
def test_silence_and_constants(audio_file: Write, level: float, expected: str) -> None:
    assert reason(audio_file("a.flac", np.full(16000, level, np.float32))) == expected


def test_last_bit_noise_is_silence(audio_file: Write) -> None:
    noise = np.random.default_rng(0).integers(-1, 2, 16000).astype(np.float32) / 32768
    assert reason(audio_file("a.flac", noise)) == "silent"


@pytest.mark.parametrize(("name", "format"), [("wav.flac", "WAV"), ("flac.wav", "FLAC")])
def test_content_decides_and_not_the_suffix(audio_file: Write, name: str, format: str) -> None:
    np.testing.assert_allclose(decode(audio_file(name, format=format), 16000), speech(), atol=1 / 32768)


@pytest.mark.parametrize(
    ("subtype", "tolerance"), [("PCM_U8", 1 / 64), ("PCM_24", 1e-6), ("FLOAT", 0.0), ("DOUBLE", 0.0)]
)
def test_sample_formats(audio_file: Write, subtype: str, tolerance: float) -> None:
    np.testing.assert_allclose(decode(audio_file("a.wav", subtype=subtype), 16000), speech(), atol=tolerance)


def test_stereo_44100_becomes_mono_16000(audio_file: Write) -> None:
    wave = speech(1.0, 44100)
    audio = read_audio(audio_file("a.wav", np.stack([wave, 0.5 * wave], axis=1), 44100), 16000)
    assert audio.wave.shape == (16000,)
    assert audio.notes == ("resampled from 44100 Hz",)
    assert similarity(audio.wave, speech()) > 0.99


def test_channels_in_antiphase_do_not_cancel(audio_file: Write) -> None:
    audio = read_audio(audio_file("a.wav", np.stack([speech(), -0.99 * speech()], axis=1)), 16000)
    np.testing.assert_allclose(audio.wave, speech(), atol=1 / 32768)
    assert audio.notes == ("channels cancel out, channel 1 of 2 used",)


def test_empty_channel_does_not_halve_the_level(audio_file: Write) -> None:
    audio = read_audio(audio_file("a.flac", np.stack([speech(), 0 * speech()], axis=1)), 16000)
    np.testing.assert_allclose(audio.wave, speech(), atol=1 / 32768)
    assert audio.notes == ("1 empty of 2 channels left out",)


def test_float_beyond_full_scale_is_scaled_and_not_clipped(audio_file: Write) -> None:
    wave = speech() * np.float32(7.0 / np.abs(speech()).max())
    audio = read_audio(audio_file("a.wav", wave, subtype="FLOAT"), 16000)
    np.testing.assert_allclose(audio.wave, wave / 7.0, rtol=1e-5)
    assert audio.notes == ("scaled from peak 7",)


def test_three_minutes_are_cut(audio_file: Write) -> None:
    audio = read_audio(audio_file("a.flac", np.tile(speech(10.0), 18)), 16000, max_duration_s=60.0)
    assert audio.wave.shape == (960000,)
    assert audio.notes == ("cut to 60 s",)


def test_exactly_the_longest_length_is_not_cut(audio_file: Write) -> None:
    assert read_audio(audio_file("a.flac"), 16000, max_duration_s=1.0).notes == ()


def test_resampling_keeps_a_tone_and_its_level(audio_file: Write) -> None:
    tone = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)).astype(np.float32)
    wave = decode(audio_file("a.flac", tone, 48000), 16000)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    np.testing.assert_allclose(wave[500:-500], expected[500:-500], atol=2e-4)


def test_name_with_spaces_and_umlauts(audio_file: Write) -> None:
    assert len(decode(audio_file("space in näme.flac"), 16000)) == 16000


@pytest.mark.parametrize("options", [(), ("-q:a", "5", "-write_xing", "0"), ("-b:a", "48k", "-write_xing", "0")])
def test_mp3_with_and_without_a_length_header(tmp_path: Path, options: tuple[str, ...]) -> None:
    """libsndfile guesses the length of a variable-rate MP3 without header wrongly by far."""
    wave = np.concatenate([0.001 * speech(6.0), speech(2.0)])
    decoded = decode(mp3(tmp_path / "a.mp3", wave, *options), 16000)
    assert len(decoded) == pytest.approx(len(wave), abs=3000)


def test_truncated_mp3_with_a_length_header(tmp_path: Path) -> None:
    path = mp3(tmp_path / "a.mp3", speech(4.0))
    path.write_bytes(path.read_bytes()[:8000])
    assert reason(path).startswith("truncated: ")


def test_flac_of_unknown_length(audio_file: Write) -> None:
    """A FLAC written to a pipe has 0 as its number of samples, bits 108 to 143 of STREAMINFO."""
    path = audio_file("a.flac")
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert soundfile.info(path).frames > 1 << 40
    np.testing.assert_allclose(decode(path, 16000), speech(), atol=1 / 32768)


GOOD = {
    "ok_reference.flac", "wav_named.flac", "flac_named.wav", "stereo_44k.wav", "stereo_48k.flac", "u8_8k.wav",
    "float_over.wav", "clipped.flac", "three_minutes.flac", "flac24.flac", "id3_junk_vbr.mp3", "mp3_named.flac",
    "space in näme.flac",
}  # fmt: skip
BROKEN = {
    "truncated.flac": "not readable",
    "truncated_header.flac": "not readable",
    "bitrot.flac": "not readable",
    "zero_bytes.flac": "empty file",
    "text.flac": "not readable",
    "nan_inf_float.wav": "not finite",
    "empty_0_samples.flac": "no samples",
    "one_sample.flac": "too short",
    "ten_ms.flac": "too short",
    "silence.flac": "silent",
    "dc_only.flac": "constant",
}


def test_collected_bad_inputs(shared_folder: Path) -> None:
    folder = shared_folder / "corpus" / "bad"
    for name in GOOD:
        assert len(decode(folder / name, 16000, min_duration_s=0.1, max_duration_s=60)) >= 58720, name
    for name, expected in BROKEN.items():
        assert reason(folder / name, min_duration_s=0.1, max_duration_s=60).startswith(expected), name
