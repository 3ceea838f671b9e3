"""One utterance to one flat record of facts.

Array names carry shapes: T samples, K bands of the spectrum.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data_prep.audio_format import recognise
from data_prep.audio_stream import faults_told, require_content
from data_prep.audit import signal
from data_prep.audit.signal import FloatArray
from data_prep.config import PrepConfig
from data_prep.decode_error import DecodeError
from data_prep.decoding import Wave, read_audio
from data_prep.remote_files import fetch, local_copy
from data_prep.resampling import resample
from data_prep.utterance import Corpus, Utterance
from data_prep.validation import Rejection, reject, writable

HASH_RATE = 16000
"""Hz at which audio is compared, whatever rate it is stored at."""
_CODEC_FACTS = ("codec", "compression", "transmission", "environment")
"""What protocols call the history of the channel; their other facts (gender, tags of attacks) are no history."""


@dataclass(frozen=True)
class Measurement:
    """Facts about one utterance, as preparation hears it: mono, cut to ``corpus.max_duration_s``."""

    utterance_id: str
    split: str
    label: str
    attack: str
    speaker: str
    file: str
    """Path relative to the corpus root."""
    container: str
    """Format of the file by its content: FLAC, WAV, MP3..."""
    coding: str
    """Coding of the samples in it, as libsndfile names it: PCM_16, ULAW, MPEG_LAYER_III..."""
    sample_rate: int
    """Hz, as stored."""
    channels: int
    told_channel: str
    """What the protocol tells about codec, transmission or environment; empty where it tells nothing."""
    file_hash: str
    """SHA-256 of the file, 32 hex digits."""
    audio_hash: str
    """SHA-256 of the samples at 16 kHz and 16 bits, 32 hex digits: equal for a lossless copy in another container."""
    duration_s: float
    peak: float
    """Largest magnitude, as a fraction of full scale."""
    clipped_share: float
    """Share of samples that are clipped."""
    dc_offset: float
    """Mean of the samples, as a fraction of full scale."""
    level_dbfs: float
    """Root mean square."""
    floor_dbfs: float
    """Level that a tenth of the utterance stays below."""
    leading_silence_s: float
    trailing_silence_s: float
    bandwidth_hz: float
    """Upper edge of what stands out of the noise floor."""
    edge_db: float
    """How far the spectrum falls across that edge; 15 dB or more is the work of a filter or codec."""
    notes: str
    """What decoding did beyond plain reading, "; "-joined."""
    spectrum_db: FloatArray
    """Long-term level ``[K]`` in bands of 125 Hz up to half the stored sampling rate, relative to ``level_dbfs``."""


@dataclass(frozen=True)
class Stored:
    """How a file lies on disk; fields as in `Measurement`."""

    container: str
    coding: str
    sample_rate: int
    channels: int


def measure(utterance: Utterance, corpus: Corpus, config: PrepConfig) -> Measurement | Rejection:
    """The facts of one utterance, or why it cannot be used; depends on its arguments and the file alone."""
    try:
        stored, wave_T, notes = read_stored(utterance, config)
        file_hash = hashlib.sha256(fetch(utterance.path)).hexdigest()[:32]
    except DecodeError as error:
        return reject(corpus, utterance, error.reason)
    except FileNotFoundError:
        return reject(corpus, utterance, "file missing")
    frames = signal.frame_facts(wave_T, stored.sample_rate)
    level_dbfs = signal.level_dbfs(wave_T)
    level_K = signal.band_levels(wave_T, stored.sample_rate)
    bandwidth_hz, edge_db = signal.bandwidth(level_K)
    return Measurement(
        utterance_id=utterance.utterance_id,
        split=utterance.split,
        label=utterance.label,
        attack=utterance.attack,
        speaker=utterance.speaker,
        file=writable(corpus.shown_path(utterance)),
        **vars(stored),
        told_channel=_told_channel(utterance.channel),
        file_hash=file_hash,
        audio_hash=audio_hash(wave_T, stored.sample_rate),
        duration_s=len(wave_T) / stored.sample_rate,
        peak=float(np.abs(wave_T).max()),
        clipped_share=signal.clipped_share(wave_T),
        dc_offset=float(wave_T.mean(dtype=np.float64)),
        level_dbfs=level_dbfs,
        **frames._asdict(),
        bandwidth_hz=bandwidth_hz,
        edge_db=edge_db,
        notes="; ".join(notes),
        spectrum_db=(level_K - level_dbfs).astype(np.float32),
    )


def audio_hash(wave_T: Wave, sample_rate: int) -> str:
    """SHA-256, 32 hex digits, of a wave at 16 kHz in 16 bits."""
    steps = np.clip(np.rint(resample(wave_T, sample_rate, HASH_RATE) * 32768.0), -32768, 32767).astype("<i2")
    return hashlib.sha256(steps.tobytes()).hexdigest()[:32]


def read_stored(utterance: Utterance, config: PrepConfig) -> tuple[Stored, Wave, tuple[str, ...]]:
    """How a file is stored, its wave ``[T]`` at the stored rate as preparation decodes it, and notes on the decoding.

    Raises:
        DecodeError: preparation would reject the file.
        FileNotFoundError: there is no such file.
    """
    with local_copy(utterance.path) as path:
        with faults_told():
            require_content(path)
            format = recognise(path)
        audio = read_audio(
            path,
            None,
            min_duration_s=config.min_duration_s(utterance.split),
            max_duration_s=config.corpus.max_duration_s,
            compressed_by_ffmpeg=config.corpus.convert,
        )
    if format is None:
        raise DecodeError("not readable as audio: unknown format")
    container = format.name.rpartition(" ")[2] if format.subtype else format.name
    coding = format.subtype or format.decoder
    return Stored(container, coding, audio.sample_rate, format.num_channels or 1), audio.wave, audio.notes


def _told_channel(channel: Mapping[str, str]) -> str:
    return ", ".join(f"{fact} {channel[fact]}" for fact in _CODEC_FACTS if fact in channel)
