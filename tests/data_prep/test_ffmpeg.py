"""Decoding by ffmpeg: in slices, without temporary files, and never for ever."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from miniature import speech

from data_prep import ffmpeg
from data_prep.audio_format import AudioFormat, recognise
from data_prep.decode_error import DecodeError
from data_prep.ffmpeg import decode_with_ffmpeg


@pytest.fixture
def mp3(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp3"
    soundfile.write(path, speech(3.5), 16000, format="MP3")
    return path


def decoded(path: Path) -> list[np.ndarray]:
    format = recognise(path)
    assert format is not None
    return [slice_CT for slice_CT, rate in decode_with_ffmpeg(path, format) if rate == 16000]


def test_slices_join_without_a_seam(mp3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = decoded(mp3)
    monkeypatch.setattr(ffmpeg, "_FIRST_SLICE_S", 1)
    monkeypatch.setattr(ffmpeg, "_SLICE_S", 1)
    slices = decoded(mp3)
    assert [one.shape[1] for one in slices[:3]] == [16000, 16000, 16000]
    np.testing.assert_array_equal(np.concatenate(slices, axis=1), whole)


def test_a_length_of_whole_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slice behind the end is empty, which is no fault."""
    (tmp_path / "a.g722").write_bytes(np.random.Generator(np.random.Philox(0)).bytes(16000))
    monkeypatch.setattr(ffmpeg, "_FIRST_SLICE_S", 1)
    monkeypatch.setattr(ffmpeg, "_SLICE_S", 1)
    assert [one.shape for one in decoded(tmp_path / "a.g722")] == [(1, 16000), (1, 16000)]


def test_what_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "_CPU_LIMIT_S", 1)
    monkeypatch.setattr(ffmpeg, "_FIRST_SLICE_S", 1_000_000)
    with pytest.raises(DecodeError, match="ffmpeg needs more than 1 s"):
        next(decode_with_ffmpeg(Path("/dev/zero"), AudioFormat("G.722", True, "g722", "g722")))


def test_nothing_is_left_in_the_temporary_folder(mp3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pydub would make its files in a folder that does not exist."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setitem(os.environ, "TMPDIR", str(folder))
    assert decoded(mp3)
    assert not list(folder.iterdir())
