"""Encoding and decoding within the process: libsndfile (LAME, libopus, libvorbis, GSM 06.10, G.711) and libg722.

Array names carry shapes: T samples.
"""

import io

import G722
import numpy as np
import soundfile

from data_prep.augmentation.scene import Drawn, Scene
from data_prep.augmentation.steps import Codec, CodecStep
from data_prep.decoding import Wave
from data_prep.resampling import resample

_MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_RATES: dict[Codec, tuple[int, ...]] = {
    "mp3": _MPEG_RATES,
    "opus": (8000, 12000, 16000, 24000, 48000),
    "vorbis": _MPEG_RATES,
    "g722": (16000,),
    "gsm": (8000,),
    "alaw": (8000,),
    "mulaw": (8000,),
}
"""Sampling rates, Hz, that a codec takes."""
_KBPS: dict[Codec, tuple[int, ...]] = {
    "opus": (6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256),
    "vorbis": (28, 32, 40, 48, 56, 64, 80, 100),
    "g722": (48, 56, 64),
    "gsm": (13,),
    "alaw": (64,),
    "mulaw": (64,),
}
"""Bit rates that are drawn; Opus and Vorbis have any, and treat them as a mean."""
_MP3_KBPS = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (8, 16, 24, 32, 40, 48, 56, 64),
}
"""Bit rates of MPEG-1 (from 32 kHz), MPEG-2 (from 16 kHz) and MPEG-2.5, layer III."""
_VORBIS_QUALITY = ((28.0, 64.0, 100.0), (0.05, 0.5, 1.0))
"""Nominal bit rates of a mono file at 16 kHz, and the quality that means them (libvorbis, ``setup_16.h``)."""
_MP3_DELAY = 1105
"""Samples: 576 of LAME's encoder, 529 of a decoder; taken off by the decoder only where the header has room to tell."""
_G722_DELAY = 22
"""Samples: the two 24-tap quadrature mirror filters."""
_SUBTYPES: dict[Codec, tuple[str, str]] = {
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "opus": ("OGG", "OPUS"),
    "vorbis": ("OGG", "VORBIS"),
    "gsm": ("WAV", "GSM610"),
    "alaw": ("WAV", "ALAW"),
    "mulaw": ("WAV", "ULAW"),
}


def apply_codec(step: CodecStep, wave_T: Wave, scene: Scene, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    """The wave as it comes out of a codec."""
    codec = step.codecs[int(rng.integers(len(step.codecs)))]
    rate = next((rate for rate in _RATES[codec] if rate >= scene.sample_rate), _RATES[codec][-1])
    kbps = _draw_kbps(codec, rate, step.kbps, rng)
    return code(wave_T, scene.sample_rate, codec, rate, kbps), {"codec": codec, "kbps": kbps}


def code(wave_T: Wave, sample_rate: int, codec: Codec, rate: int, kbps: int) -> Wave:
    """``wave_T`` through ``codec`` at sampling rate ``rate``, aligned with the original and as long."""
    sent_T = resample(wave_T, sample_rate, rate)
    received_T = _g722(sent_T, kbps) if codec == "g722" else _libsndfile(sent_T, rate, codec, kbps)
    back_T = resample(received_T, rate, sample_rate)[: len(wave_T)]
    return np.pad(back_T, (0, len(wave_T) - len(back_T)))


def _draw_kbps(codec: Codec, rate: int, span: tuple[float, float], rng: np.random.Generator) -> int:
    rates = _MP3_KBPS[_mpeg_version(rate)] if codec == "mp3" else _KBPS[codec]
    inside = [kbps for kbps in rates if span[0] <= kbps <= span[1]]
    nearest = min(rates, key=lambda kbps: max(span[0] - kbps, kbps - span[1]))
    return inside[int(rng.integers(len(inside)))] if inside else nearest


def _libsndfile(wave_T: Wave, rate: int, codec: Codec, kbps: int) -> Wave:
    container, subtype = _SUBTYPES[codec]
    options: dict[str, float | str] = {}
    if codec in ("mp3", "opus", "vorbis"):
        options["compression_level"] = _compression_level(codec, rate, kbps)
    if codec == "mp3":
        options["bitrate_mode"] = "CONSTANT"
    buffer = io.BytesIO()
    # Resampling overshoots full scale, and the telephone codecs would wrap round there.
    soundfile.write(buffer, np.clip(wave_T, -1.0, 1.0), rate, format=container, subtype=subtype, **options)
    buffer.seek(0)
    decoded_T: Wave = soundfile.read(buffer, dtype="float32")[0]
    untold = codec == "mp3" and len(decoded_T) != len(wave_T)
    return decoded_T[_MP3_DELAY:] if untold else decoded_T


def _compression_level(codec: Codec, rate: int, kbps: int) -> float:
    """libsndfile's measure, 0 to 1, that gives a bit rate."""
    if codec == "opus":  # 6 to 256 kbit/s a channel
        return 1.0 - (kbps - 6) / 250
    if codec == "vorbis":
        return 1.0 - float(np.interp(kbps, *_VORBIS_QUALITY))
    rates = _MP3_KBPS[_mpeg_version(rate)]
    # LAME takes the nearest bit rate that there is, and refuses 1 before it knows that the rate is to be constant.
    return min(0.99, (rates[-1] - kbps) / (rates[-1] - rates[0]))


def _mpeg_version(rate: int) -> int:
    return 1 if rate >= 32000 else 2 if rate >= 16000 else 3


def _g722(wave_T: Wave, kbps: int) -> Wave:
    pcm_T = np.rint(np.clip(np.pad(wave_T, (0, _G722_DELAY + 1)), -1.0, 1.0) * 32767).astype(np.int16)
    pcm_T = pcm_T[: len(pcm_T) // 2 * 2]  # a byte holds two samples
    decoded = G722.G722(16000, kbps * 1000).decode(G722.G722(16000, kbps * 1000).encode(pcm_T))
    return np.asarray(decoded, dtype=np.float32)[_G722_DELAY:] / np.float32(32768)
