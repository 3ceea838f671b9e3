"""Every format that conversion takes, made by the bundled ffmpeg or libsndfile, comes back as what went in."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
from miniature import speech
from scipy.signal import correlate, correlation_lags, resample_poly

from data_prep.audio_format import recognise
from data_prep.config import CONVERSION_RATE
from data_prep.conversion import to_flac
from data_prep.decode_error import DecodeError

SECONDS = 3.0
# suffix, ffmpeg's encoder and options, rate of the source, codec told, longest shift and excess (ms), least correlation
COMPRESSED = [
    (".mp3", "libmp3lame -b:a 64k", 16000, "MP3", 1, 40, 0.995),
    (".mp3", "libmp3lame -q:a 2", 44100, "MP3", 1, 40, 0.995),
    (".mp3", "libmp3lame -b:a 64k -write_xing 0", 22050, "MP3", 60, 110, 0.995),
    (".mp3", "mp2 -b:a 96k -f mp2", 16000, "MP2", 40, 40, 0.995),
    (".m4a", "aac -b:a 64k", 16000, "AAC", 1, 1, 0.995),
    (".m4a", "aac -b:a 64k -movflags +faststart", 44100, "AAC", 1, 1, 0.995),
    (".m4a", "alac", 16000, "ALAC", 0, 0, 0.99999),
    (".m4a", "libopencore_amrnb -b:a 12.2k -f 3gp", 8000, "AMR-NB", 12, 21, 0.5),
    (".aac", "aac -b:a 64k", 16000, "AAC", 130, 130, 0.995),
    (".ogg", "libvorbis -q:a 4", 16000, "Vorbis", 1, 1, 0.995),
    (".ogg", "libvorbis -q:a 4", 48000, "Vorbis", 1, 1, 0.995),
    (".opus", "libopus -b:a 32k", 48000, "Opus", 1, 1, 0.98),
    (".ogg", "libopus -b:a 16k", 16000, "Opus", 1, 1, 0.97),
    (".oga", "flac", 16000, "FLAC", 0, 0, 0.99999),
    (".wma", "wmav2 -b:a 64k", 16000, "WMA", 130, 130, 0.99),
    (".wma", "wmav1 -b:a 64k", 44100, "WMA", 130, 130, 0.99),
    (".amr", "libopencore_amrnb -b:a 12.2k", 8000, "AMR-NB", 12, 21, 0.5),
    (".g722", "g722", 16000, "G.722", 2, 1, 0.995),
    (".wav", "g722", 16000, "G.722", 2, 1, 0.995),
    (".wav", "pcm_mulaw", 8000, "mu-law", 1, 1, 0.99),
    (".wav", "pcm_alaw", 8000, "A-law", 1, 1, 0.99),
    (".wav", "adpcm_ms", 16000, "ADPCM", 1, 65, 0.99),
    (".aiff", "pcm_s16be", 16000, "16-bit AIFF", 0, 0, 0.99999),
    (".au", "pcm_s16be", 22050, "16-bit AU", 1, 1, 0.9999),
]
PLAIN = [
    ("WAV", "PCM_U8", 1 / 64),
    ("WAV", "PCM_16", 1 / 32768),
    ("WAV", "PCM_24", 1 / 32768),
    ("WAV", "PCM_32", 1 / 32768),
    ("WAV", "FLOAT", 1 / 32768),
    ("WAV", "DOUBLE", 1 / 32768),
    ("WAVEX", "PCM_16", 1 / 32768),
    ("WAVEX", "PCM_24", 1 / 32768),
    ("WAVEX", "FLOAT", 1 / 32768),
    ("RF64", "PCM_16", 1 / 32768),
    ("W64", "PCM_16", 1 / 32768),
    ("AIFF", "PCM_24", 1 / 32768),
    ("CAF", "PCM_16", 1 / 32768),
    ("FLAC", "PCM_24", 1 / 32768),
]


def encode(path: Path, wave: np.ndarray, rate: int, options: str) -> Path:
    """``wave`` at ``path``, through the bundled ffmpeg."""
    plain = path.with_suffix(".plain.wav")
    soundfile.write(plain, wave, rate, subtype="PCM_16")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(plain), "-c:a", *options.split()]
    subprocess.run([*command, str(path)], check=True, timeout=60)
    plain.unlink()
    return path


def converted(path: Path) -> np.ndarray:
    made = path.with_name("made.flac")
    made.write_bytes(to_flac(path))
    info = soundfile.info(made)
    assert (info.format, info.samplerate, info.channels, info.subtype) == ("FLAC", CONVERSION_RATE, 1, "PCM_16")
    return soundfile.read(made, dtype="float32")[0]


def aligned(made: np.ndarray, wave: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """By how many samples ``made`` is late, and the parts of both that belong together."""
    lag = int(correlation_lags(len(made), len(wave))[np.argmax(correlate(made, wave))])
    made, wave = made[max(lag, 0) :], wave[max(-lag, 0) :]
    length = min(len(made), len(wave))
    return lag, made[:length], wave[:length]


@pytest.mark.parametrize(("suffix", "options", "rate", "codec", "shift_ms", "excess_ms", "least"), COMPRESSED)
def test_compressed(
    tmp_path: Path, suffix: str, options: str, rate: int, codec: str, shift_ms: int, excess_ms: int, least: float
) -> None:
    original = speech(SECONDS, rate)
    path = encode(tmp_path / f"a{suffix}", original, rate, options)
    recognised = recognise(path)
    assert recognised is not None
    assert recognised.name == codec
    made = converted(path)
    wave = resample_poly(original, CONVERSION_RATE, rate) if rate != CONVERSION_RATE else original
    lag, made_T, wave_T = aligned(made, wave)
    assert abs(lag) <= shift_ms * 16
    lost_ms = 30 if codec == "WMA" else 1  # ffmpeg's encoder drops its last, incomplete frame
    assert -lost_ms * 16 <= len(made) - len(wave) <= excess_ms * 16
    assert np.corrcoef(made_T, wave_T)[0, 1] > least  # AMR keeps the spectrum, not the wave
    assert np.corrcoef(np.abs(np.fft.rfft(made_T)), np.abs(np.fft.rfft(wave_T)))[0, 1] > 0.98
    assert 20 * np.log10(made_T.std() / wave_T.std()) == pytest.approx(0, abs=0.6)


@pytest.mark.parametrize(("container", "subtype", "tolerance"), PLAIN)
def test_plain_samples(tmp_path: Path, container: str, subtype: str, tolerance: float) -> None:
    path = tmp_path / f"a.{container.lower()}"
    soundfile.write(path, speech(), CONVERSION_RATE, format=container, subtype=subtype)
    np.testing.assert_allclose(converted(path), speech(), atol=tolerance)


def test_channels_of_a_compressed_file_are_mixed(tmp_path: Path) -> None:
    wave = np.stack([speech(SECONDS, 44100), 0.5 * speech(SECONDS, 44100)], axis=1)
    made = converted(encode(tmp_path / "a.m4a", wave, 44100, "aac -b:a 128k"))
    _, made_T, wave_T = aligned(made, 0.75 * resample_poly(speech(SECONDS, 44100), CONVERSION_RATE, 44100))
    assert np.corrcoef(made_T, wave_T)[0, 1] > 0.995
    assert made_T.std() == pytest.approx(wave_T.std(), rel=0.03)


def test_content_and_not_the_suffix_tells_the_codec(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", speech(SECONDS), 16000, "aac")
    for name in ("a.wav", "a.flac", "a.mp3", "a.g722"):
        made = converted(path.rename(tmp_path / name))
        assert len(made) == pytest.approx(SECONDS * CONVERSION_RATE, abs=16), name
        path = tmp_path / name


def test_a_cut_m4a_is_refused(tmp_path: Path) -> None:
    """Its table of contents, when it comes first, promises what is no longer there."""
    path = encode(tmp_path / "a.m4a", speech(SECONDS), 16000, "aac -movflags +faststart")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DecodeError, match=r"truncated: .* of 3.06 s"):
        to_flac(path)


def test_text_named_g722_is_refused(tmp_path: Path) -> None:
    """Every byte is valid G.722, so that text would come out as noise."""
    (tmp_path / "a.g722").write_text("not audio\n" * 100)
    with pytest.raises(DecodeError, match="not readable as audio"):
        to_flac(tmp_path / "a.g722")


def test_a_playlist_that_calls_itself_audio_is_not_followed(tmp_path: Path) -> None:
    encode(tmp_path / "secret.aac", speech(SECONDS), 16000, "aac")
    path = tmp_path / "a.m4a"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{tmp_path}/secret.aac\n#EXT-X-ENDLIST\n")
    with pytest.raises(DecodeError, match="not readable as audio"):
        to_flac(path)
