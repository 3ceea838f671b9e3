"""Examples to see and to hear: a spectrogram and a player each, held by the page itself.

Array names carry shapes: T samples, F frames.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import soundfile
from matplotlib.figure import Figure

from data_prep.audit.drawing import data_uri
from data_prep.decoding import Wave

LONGEST_S = 5.0
"""Of an example; longer ones would make the page heavy."""
_WINDOW_S, _HOP_S = 0.025, 0.01
_RANGE_DB = 80.0
_DPI = 140


@dataclass(frozen=True)
class Clip:
    """One example."""

    title: str
    facts: tuple[str, ...]
    """Short statements below the picture."""
    picture: str
    """Data URI of the spectrogram."""
    audio: str
    """Data URI of the sound, FLAC: what is heard is what was measured or prepared, to the bit."""


@dataclass(frozen=True)
class ClipRow:
    """Examples that belong together: an utterance and its views, or utterances of one class."""

    title: str
    label: str
    clips: tuple[Clip, ...]


def make_clip(title: str, facts: Sequence[str], wave_T: Wave, sample_rate: int) -> Clip:
    """An example from a wave; only its first seconds if it is long."""
    facts = list(facts)
    if len(wave_T) > LONGEST_S * sample_rate:
        wave_T = wave_T[: int(LONGEST_S * sample_rate)]
        facts.append(f"first {LONGEST_S:g} s")
    return Clip(title, tuple(facts), spectrogram(wave_T, sample_rate), player(wave_T, sample_rate))


def player(wave_T: Wave, sample_rate: int) -> str:
    """A wave as the data URI of a 16-bit FLAC file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, wave_T, sample_rate, format="FLAC", subtype="PCM_16")
    return data_uri("audio/flac", buffer.getvalue())


def spectrogram(wave_T: Wave, sample_rate: int) -> str:
    """Spectrogram as the data URI of a picture: Hann windows of 25 ms every 10 ms, 80 dB below the loudest point."""
    level = _levels(wave_T, sample_rate)
    with matplotlib.rc_context({"font.size": 8}):
        figure = Figure(figsize=(3.2, 1.7))
        axes = figure.add_axes((0.1, 0.23, 0.87, 0.73))
        extent = (0.0, len(wave_T) / sample_rate, 0.0, sample_rate / 2000)
        axes.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-_RANGE_DB, vmax=0.0)
        axes.set_xlabel("time (s)", labelpad=1)
        axes.set_ylabel("kHz", labelpad=1)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="webp", dpi=_DPI, pil_kwargs={"quality": 75})
    return data_uri("image/webp", buffer.getvalue())


def _levels(wave_T: Wave, sample_rate: int) -> np.ndarray:
    """Levels ``[bin, F]`` in dB below the loudest point."""
    window = np.hanning(round(_WINDOW_S * sample_rate)).astype(np.float32)
    padded_T = np.pad(wave_T, (0, max(0, len(window) - len(wave_T))))
    frames_FW = np.lib.stride_tricks.sliding_window_view(padded_T, len(window))[:: round(_HOP_S * sample_rate)]
    size = 1 << (len(window) - 1).bit_length()
    power = np.square(np.abs(np.fft.rfft(frames_FW * window, size, axis=1))).T
    return np.asarray(10 * np.log10(np.maximum(power / max(float(power.max()), 1e-20), 10 ** (-_RANGE_DB / 10))))
