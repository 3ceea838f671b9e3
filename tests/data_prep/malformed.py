"""Malformed audio files, made by rule from sound ones: cuts in header fields, wrong fields, flipped bytes, other."""

import gzip
import io
import struct
import zipfile
from collections.abc import Iterator

import numpy as np
import soundfile
from miniature import speech

FLAC_CUTS = {
    "marker": 2,
    "block type": 4,
    "block length": 6,
    "minimum block size": 9,
    "maximum block size": 11,
    "minimum frame size": 14,
    "maximum frame size": 17,
    "sampling rate": 19,
    "channels and bits": 21,
    "number of samples": 24,
    "MD5": 34,
    "end of STREAMINFO": 42,
    "header of the comment": 44,
    "comment": 60,
}
"""Bytes left, by the field that is cut (RFC 9639, section 8)."""
FLAC_FRAME_CUTS = {
    "sync": 1,
    "block size": 2,
    "channels": 3,
    "frame number": 4,
    "CRC-8": 5,
    "subframe": 6,
    "residual": 60,
}
"""Bytes left of the first frame."""
WAV_CUTS = {
    "RIFF": 2,
    "RIFF size": 6,
    "WAVE": 10,
    "fmt mark": 14,
    "fmt size": 18,
    "format tag": 21,
    "channels": 23,
    "sampling rate": 26,
    "byte rate": 30,
    "block align": 33,
    "bits": 35,
    "data mark": 38,
    "data size": 42,
    "first sample": 45,
    "half the samples": 16000,
}
MP3_CUTS = {
    "ID3 mark": 2,
    "ID3 version": 4,
    "ID3 flags": 5,
    "ID3 size": 8,
    "ID3 frame header": 16,
    "ID3 frame": 28,
    "end of ID3": 45,
    "frame sync": 46,
    "frame header": 48,
    "side information": 60,
    "Info mark": 69,
    "number of frames": 75,
    "number of bytes": 79,
    "table of contents": 120,
}
U32 = (0, 1, 0x7FFFFFFF, 0xFFFFFFFF)


def sounds() -> dict[str, bytes]:
    """A second of speech as FLAC, WAV, floating-point WAV and MP3 (with ID3 tag and Info header)."""
    made = {}
    for name, format, subtype in (("flac", "FLAC", "PCM_16"), ("wav", "WAV", "PCM_16"), ("float", "WAV", "FLOAT")):
        buffer = io.BytesIO()
        soundfile.write(buffer, speech(), 16000, format=format, subtype=subtype)
        made[name] = buffer.getvalue()
    buffer = io.BytesIO()
    soundfile.write(buffer, speech(), 16000, format="MP3")
    tag = b"TSSE\0\0\0\x0e\0\0\x03Lavf63.1.102\0"
    made["mp3"] = b"ID3\x04\0\0\0\0\0" + bytes([len(tag) + 10]) + tag + bytes(10) + buffer.getvalue()
    return made


def cut(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """File name and content of each cut file; none of them holds audio that could be used."""
    for suffix, cuts in (("flac", FLAC_CUTS), ("wav", WAV_CUTS), ("mp3", MP3_CUTS)):
        for field, length in cuts.items():
            yield f"cut in {field}.{suffix}", sound[suffix][:length]
    first = first_frame(sound["flac"])
    for field, length in FLAC_FRAME_CUTS.items():
        yield f"cut in {field} of a frame.flac", sound["flac"][: first + length]


def first_frame(flac: bytes) -> int:
    """Where the metadata blocks end (RFC 9639, section 8.1)."""
    place, last = 4, False
    while not last:
        last = bool(flac[place] & 0x80)
        place += 4 + int.from_bytes(flac[place + 1 : place + 4], "big")
    return place


def with_wrong_fields(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Sizes, rates, channels and bits that are nought, enormous, or larger or smaller than the truth."""
    wav, flac = sound["wav"], sound["flac"]
    fields = {"RIFF size": (4, "<I"), "fmt size": (16, "<I"), "sampling rate": (24, "<I"), "data size": (40, "<I")}
    for field, (place, layout) in fields.items():
        for value in U32:
            yield f"{field} {value}.wav", _patched(wav, place, struct.pack(layout, value))
    for field, place in {"format tag": 20, "channels": 22, "block align": 32, "bits": 34}.items():
        for value in (0, 7, 255, 0xFFFF):
            yield f"{field} {value}.wav", _patched(wav, place, struct.pack("<H", value))
    # STREAMINFO: 20 bits rate, 3 bits channels - 1, 5 bits depth - 1, 36 bits samples (RFC 9639, section 8.2)
    for rate in (0, 1, 22, 655350, 0xFFFFF):
        yield f"sampling rate {rate}.flac", _patched(flac, 18, _stream_info(rate, 1, 16, 16000))
    for channels in (2, 8):
        yield f"channels {channels}.flac", _patched(flac, 18, _stream_info(16000, channels, 16, 16000))
    for bits in (1, 3, 24, 32):
        yield f"bits {bits}.flac", _patched(flac, 18, _stream_info(16000, 1, bits, 16000))
    for samples in (1, 15999, 16001, 1 << 32, (1 << 36) - 1):
        yield f"samples {samples}.flac", _patched(flac, 18, _stream_info(16000, 1, 16, samples))
    yield "comment of 16 MB.flac", _patched(flac, 43, b"\xff\xff\xff")
    yield "ID3 of 256 MB.mp3", _patched(sound["mp3"], 6, b"\x7f\x7f\x7f\x7f")


def _stream_info(rate: int, channels: int, bits: int, samples: int) -> bytes:
    return ((rate << 44) | ((channels - 1) << 41) | ((bits - 1) << 36) | samples).to_bytes(8, "big")


def _patched(content: bytes, place: int, value: bytes) -> bytes:
    return content[:place] + value + content[place + len(value) :]


def with_flipped_bytes(sound: dict[str, bytes], number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """``number`` files of each kind with one to eight bytes changed, half of them in the first hundred."""
    for suffix in ("flac", "wav", "mp3"):
        rng = np.random.Generator(np.random.Philox(key=[seed, len(sound[suffix])]))
        for i in range(number):
            content = bytearray(sound[suffix])
            for place in rng.integers(0, 100 if i % 2 else len(content), rng.integers(1, 9)):
                content[place] ^= int(rng.integers(1, 256))
            yield f"flipped {seed} {i}.{suffix}", bytes(content)


def of_other_kinds() -> Iterator[tuple[str, bytes]]:
    """Files that are no audio at all, named FLAC."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.flac", b"fLaC")
    jpeg = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    contents = {
        "nothing": b"",
        "one byte": b"f",
        "text": b"The quick brown fox.\n" * 100,
        "UTF-16": "Der schnelle Fuchs.".encode("utf-16") * 50,
        "HTML": b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body></body></html>",
        "JSON": b'{"error": "quota exceeded"}',
        "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 120394\n",
        "JPEG": jpeg + np.random.Generator(np.random.Philox(1)).bytes(5000),
        "PNG": b"\x89PNG\r\n\x1a\n" + bytes(500),
        "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(500),
        "zip": archive.getvalue(),
        "gzip": gzip.compress(bytes(1000)),
        "ELF": b"\x7fELF\x02\x01\x01" + bytes(2000),
        "playlist": b"#EXTM3U\n#EXTINF:3,\n/etc/passwd\n",
        "zeros": bytes(20000),
        "ones": b"\xff" * 20000,
        "noise": np.random.Generator(np.random.Philox(2)).bytes(20000),
        "marker alone": b"fLaC",
        "markers": b"fLaC" * 500,
        "frame syncs": b"\xff\xfb\x90\x00" * 500,
    }
    for name, content in contents.items():
        yield f"{name}.flac", content


def with_wild_samples(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Floating-point WAVs with samples that are not finite."""
    start = sound["float"].index(b"data") + 8
    for name, value in {"NaN": np.nan, "infinity": np.inf, "minus infinity": -np.inf}.items():
        yield f"{name}.wav", _patched(sound["float"], start + 400, struct.pack("<f", value))
    yield "all NaN.wav", sound["float"][:start] + struct.pack("<f", np.nan) * 16000
