"""Which codec a file holds, told by its content: what ffmpeg must be told, and what conversion could teach a detector.

libsndfile knows most formats. The others are told by their first bytes: MP4 (ISO/IEC 14496-12, boxes ``moov``,
``mdhd``, ``stsd``), ASF (Advanced Systems Format Specification, section 3.3, Stream Properties Object), ADTS (ISO/IEC
13818-7), AMR (RFC 4867, section 5), RIFF with G.722. Raw G.722 (64 kbit/s) has no header: its suffix tells.
"""

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import soundfile


@dataclass(frozen=True)
class AudioFormat:
    """What a file holds."""

    name: str
    """Of the codec, as people write it: ``MP3``, ``AAC``, ``FLAC``, ``16-bit WAV``."""
    lossy: bool
    """Whether the codec leaves traces in the sound."""
    demuxer: str = ""
    """ffmpeg's name of the container; empty where ffmpeg is not needed."""
    decoder: str = ""
    """ffmpeg's name of the codec."""
    sample_rate: int | None = None
    """Hz; none if the header was not asked."""
    num_channels: int | None = None
    subtype: str = ""
    """libsndfile's name of the sample format; empty if it does not know the file."""
    duration_s: float | None = None
    """Length that the header promises; none where it does not tell."""

    def is_plain(self, sample_rate: int) -> bool:
        """Whether 16-bit mono FLAC at ``sample_rate`` holds the very same samples."""
        return (self.subtype, self.sample_rate, self.num_channels) == ("PCM_16", sample_rate, 1)


FLAC_MARK = b"fLaC"
_LOSSY_SUBTYPES = {
    "MPEG_LAYER_III": AudioFormat("MP3", True, "mp3", "mp3float"),
    "MPEG_LAYER_II": AudioFormat("MP2", True, "mp3", "mp2float"),
    "MPEG_LAYER_I": AudioFormat("MP1", True, "mp3", "mp1float"),
    "VORBIS": AudioFormat("Vorbis", True, "ogg", "vorbis"),
    "OPUS": AudioFormat("Opus", True, "ogg", "libopus"),
    "ULAW": AudioFormat("mu-law", True),
    "ALAW": AudioFormat("A-law", True),
    "GSM610": AudioFormat("GSM", True),
    "IMA_ADPCM": AudioFormat("ADPCM", True),
    "MS_ADPCM": AudioFormat("ADPCM", True),
}
"""libsndfile's subtypes that lose something."""
_BITS = {"PCM_S8": "8-bit", "PCM_U8": "8-bit", "PCM_16": "16-bit", "PCM_24": "24-bit", "PCM_32": "32-bit"}
_FLAC = AudioFormat("FLAC", False, "flac", "flac")
_G722 = AudioFormat("G.722", True, "g722", "g722", 16000, 1)
_MP3 = _LOSSY_SUBTYPES["MPEG_LAYER_III"]
_MP4 = {
    b"mp4a": AudioFormat("AAC", True, "mov", "aac"),
    b"alac": AudioFormat("ALAC", False, "mov", "alac"),
    b"samr": AudioFormat("AMR-NB", True, "mov", "amrnb"),
    b"sawb": AudioFormat("AMR-WB", True, "mov", "amrwb"),
}
_ASF = {
    0x160: AudioFormat("WMA", True, "asf", "wmav1"),
    0x161: AudioFormat("WMA", True, "asf", "wmav2"),
    0x162: AudioFormat("WMA Pro", True, "asf", "wmapro"),
    0x163: AudioFormat("WMA lossless", False, "asf", "wmalossless"),
    0x00A: AudioFormat("WMA Voice", True, "asf", "wmavoice"),
}
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_AUDIO = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_WAVE_G722 = 0x028F
_ENDLESS = 1 << 40
"""libsndfile's length of a stream is the largest integer; no real file comes near."""
_MP3_LENGTHS = (b"Xing", b"Info", b"VBRI")
"""Headers, in the first frame of an MP3, that tell its length; without one libsndfile guesses from the bit rate."""
_HEAD = 1 << 16
"""Bytes looked at, of all but MP4, whose table of contents may stand at its end."""
_MOOV_LIMIT = 1 << 24
_BOX_LIMIT = 1000


def recognise(path: Path) -> AudioFormat | None:
    """The format of a regular file; none where nothing is recognised. Reads headers only.

    Raises:
        OSError: the file cannot be opened.
    """
    with path.open("rb") as raw:
        head = raw.read(_HEAD)
        raw.seek(0)
        return (_by_libsndfile(path, raw) or _by_first_bytes(head, raw) or _by_suffix(path, head)) if head else None


def is_flac(path: Path) -> bool:
    """Whether the content, whatever the name, is FLAC."""
    with path.open("rb") as file:
        return file.read(len(FLAC_MARK)) == FLAC_MARK


def sound_file(raw: BinaryIO) -> soundfile.SoundFile:
    """``raw`` opened by libsndfile: a file on disk by its descriptor, which is faster and takes any file name.

    Raises:
        soundfile.LibsndfileError: not a format that it knows, or a damaged header.
    """
    try:
        return soundfile.SoundFile(raw.fileno(), closefd=False)
    except io.UnsupportedOperation:  # a file on remote storage
        return soundfile.SoundFile(raw)


def promised_samples(file: soundfile.SoundFile, path: Path) -> int | None:
    """Samples that the header promises; none where it tells no length (streamed FLAC, MP3 without a length header)."""
    if file.frames > _ENDLESS:
        return None
    if file.format == "MP3":
        with path.open("rb") as raw:
            head = raw.read(10)
            if head[:3] == b"ID3" and len(head) == 10:  # four bytes of seven bits: the length of the tag behind its ten
                raw.seek(10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)))
            frame = raw.read(2048)
        if not any(name in frame for name in _MP3_LENGTHS):
            return None
    return int(file.frames)


def _by_libsndfile(path: Path, raw: BinaryIO) -> AudioFormat | None:
    try:
        with sound_file(raw) as file:
            lossless = AudioFormat(f"{_BITS.get(file.subtype, file.subtype.lower())} {file.format}", False)
            known = _FLAC if file.format == "FLAC" else _LOSSY_SUBTYPES.get(file.subtype, lossless)
            promised = promised_samples(file, path)
            duration_s = None if promised is None else promised / file.samplerate
            return replace(
                known,
                sample_rate=file.samplerate,
                num_channels=file.channels,
                subtype=file.subtype,
                duration_s=duration_s,
            )
    except soundfile.LibsndfileError:
        return None


def _by_first_bytes(head: bytes, raw: BinaryIO) -> AudioFormat | None:
    if head[:4] == FLAC_MARK:
        return _FLAC
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
        return _in_moov(_moov(raw))
    if head[:16] == _ASF_HEADER:
        return _in_asf(head)
    if head[:2] == b"\xff\xf1" or head[:2] == b"\xff\xf9":
        return AudioFormat("AAC", True, "aac", "aac")
    if head[:6] == b"#!AMR\n":
        return AudioFormat("AMR-NB", True, "amr", "amrnb", 8000, 1)
    if head[:9] == b"#!AMR-WB\n":
        return AudioFormat("AMR-WB", True, "amr", "amrwb", 16000, 1)
    if head[:4] == b"RIFF" and head[8:16] == b"WAVEfmt " and head[20:22] == _WAVE_G722.to_bytes(2, "little"):
        return replace(_G722, demuxer="wav")
    if head[:4] == b"OggS" and b"\x7fFLAC" in head[:64]:
        return replace(_FLAC, demuxer="ogg")
    return None


def _by_suffix(path: Path, head: bytes) -> AudioFormat | None:
    """Formats without a header, or with rubbish before it."""
    if path.suffix.lower() == ".g722" and not _is_text(head):
        return _G722
    return _MP3 if path.suffix.lower() == ".mp3" else None


def _is_text(head: bytes) -> bool:
    return not any(byte < 9 or 13 < byte < 32 or byte > 126 for byte in head[:512])


def _moov(raw: BinaryIO) -> bytes:
    """The table of contents of an MP4 file; empty if there is none."""
    start, end = 0, raw.seek(0, os.SEEK_END)
    for _ in range(_BOX_LIMIT):
        raw.seek(start)
        header = raw.read(16)
        if len(header) < 8:
            break
        size, kind = struct.unpack(">I4s", header[:8])
        if size == 1 and len(header) == 16:
            size = struct.unpack(">Q", header[8:])[0]
        if kind == b"moov":
            raw.seek(start)
            return raw.read(min(size, _MOOV_LIMIT))
        start += size
        if size < 8 or start >= end:
            break
    return b""


def _in_moov(moov: bytes) -> AudioFormat | None:
    """The first audio track whose codec is known."""
    for place in _places(moov, b"stsd"):
        entry = moov[place + 12 : place + 12 + 36]
        known = _MP4.get(entry[4:8])
        if known is not None and len(entry) == 36:
            channels, rate = struct.unpack(">24xH6xI", entry)
            return replace(
                known, sample_rate=rate >> 16, num_channels=channels, duration_s=_mdhd_s(moov[:place]) or None
            )
    return None


def _mdhd_s(moov: bytes) -> float:
    """Seconds in the last media header of ``moov``."""
    place = moov.rfind(b"mdhd")
    header = moov[place + 4 : place + 4 + 32] if place >= 0 else b""
    if len(header) < 32:
        return 0.0
    scale, duration = struct.unpack(">I Q", header[20:32]) if header[0] else struct.unpack(">II", header[12:20])
    return float(duration / scale) if scale else 0.0


def _in_asf(head: bytes) -> AudioFormat | None:
    for place in _places(head, _ASF_AUDIO):
        wave_format = head[place + 54 : place + 54 + 8]
        if len(wave_format) == 8:
            tag, channels, rate = struct.unpack("<HHI", wave_format)
            if tag in _ASF:
                return replace(_ASF[tag], sample_rate=rate, num_channels=channels)
    return None


def _places(data: bytes, pattern: bytes) -> Iterator[int]:
    place = data.find(pattern)
    while place >= 0:
        yield place
        place = data.find(pattern, place + 1)
