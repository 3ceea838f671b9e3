"""Codecs told by content, also where the header lies."""

import struct
from pathlib import Path

import pytest
import soundfile
from miniature import speech

from data_prep.audio_format import recognise


def box(kind: bytes, content: bytes = b"", size: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(content) if size is None else size, kind) + content


def mp4(codec: bytes = b"mp4a", scale: int = 16000, duration: int = 8000) -> bytes:
    """An MP4 file without samples (ISO/IEC 14496-12)."""
    entry = struct.pack(">I4s6xH8xHHHHI", 36, codec, 1, 2, 16, 0, 0, 22050 << 16)
    header = box(b"mdhd", struct.pack(">IIIII", 0, 0, 0, scale, duration) + bytes(12))
    return box(b"ftyp", b"M4A ") + box(b"moov", header + box(b"stsd", struct.pack(">II", 0, 1) + entry))


def told(tmp_path: Path, content: bytes) -> object:
    path = tmp_path / "a.m4a"
    path.write_bytes(content)
    format = recognise(path)
    return format and (format.name, format.sample_rate, format.num_channels, format.duration_s)


def test_table_of_contents_of_an_mp4(tmp_path: Path) -> None:
    assert told(tmp_path, mp4()) == ("AAC", 22050, 2, 0.5)
    assert told(tmp_path, mp4(b"alac", scale=0)) == ("ALAC", 22050, 2, None)
    assert told(tmp_path, mp4(b"avc1")) is None


@pytest.mark.parametrize("size", [0, 1, 7, 8, 0x7FFFFFFF, 0xFFFFFFFF])
def test_boxes_that_lie_about_their_size(tmp_path: Path, size: int) -> None:
    sound = mp4()
    assert told(tmp_path, sound[:12] + box(b"free", size=size)) is None
    assert told(tmp_path, sound[:12] + box(b"moov", sound[20:], size=size)) in (None, ("AAC", 22050, 2, 0.5))


def test_box_beyond_any_file_offset(tmp_path: Path) -> None:
    """Found by fuzzing: sizes of 64 bits that add up to more than a file can be asked for."""
    huge = struct.pack(">I4sQ", 1, b"free", (1 << 62) - 1)
    assert told(tmp_path, mp4()[:12] + huge * 3) is None


def test_every_cut_of_an_mp4(tmp_path: Path) -> None:
    sound = mp4()
    assert all(told(tmp_path, sound[:length]) is None for length in range(len(sound) - 4))


def test_plain_formats_tell_what_conversion_keeps(tmp_path: Path) -> None:
    for subtype, plain in (("PCM_16", True), ("PCM_24", False)):
        soundfile.write(tmp_path / "a.wav", speech(), 16000, subtype=subtype)
        format = recognise(tmp_path / "a.wav")
        assert format is not None
        assert not format.lossy
        assert format.duration_s == 1.0
        assert format.is_plain(16000) == plain
        assert not format.is_plain(8000)


def test_nothing_and_text(tmp_path: Path) -> None:
    assert told(tmp_path, b"") is None
    assert told(tmp_path, b"text" * 100) is None
