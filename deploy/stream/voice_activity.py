"""Where a stream holds speech, told by its level above the noise; causal, and the same in any chunking.

Array names carry shapes: T samples, H hops.
"""

import math
from dataclasses import dataclass

import numpy as np

from cluster.errors import SpoofsweepError
from deploy.stream.sample_buffer import SampleBuffer
from deploy.stream.samples import Wave

_RISE_S, _FALL_S = 5.0, 0.05
"""Time constants of the noise floor. Syllables have gaps, in which it falls back to the noise between them."""
_BURST_S = 0.03
"""A shorter one is a click: nothing hangs over from it."""
_SPEECH_SHARE = 0.25
"""Of the hops of a step or window that counts as speech."""
_KEPT = 4096
"""Decisions are forgotten by so many at a time."""


@dataclass(frozen=True)
class VoiceActivity:
    """An energy detector with an adaptive noise floor and hang-over.

    The floor follows the level slowly upwards and quickly downwards, what exceeds it by a margin is speech, and speech
    hangs over, so that weak ends of words are kept (Kuo, Lee and Tian 2013, "Real-Time Digital Signal Processing",
    third edition, experiment 9.7). Deviations: the level is the whole band's, in decibels and without smoothing,
    time constants are in seconds, there is an absolute limit, and clicks have no hang-over. Before anything is
    known the floor is the limit: a stream that begins with speech is heard at once, one that begins with loud steady
    noise takes that for speech during some seconds.
    """

    margin_db: float = 9.0
    """Above the noise floor."""
    silence_dbfs: float = -60.0
    """What is softer (mean square, dB of full scale) is no speech, whatever the noise floor."""
    hang_over_s: float = 0.2

    def __post_init__(self) -> None:
        if not (0 < self.margin_db <= 60 and -120 <= self.silence_dbfs <= 0 and 0 <= self.hang_over_s <= 10):
            rule = "voice activity: margin above 0 to 60 dB, silence -120 to 0 dBFS, hang-over 0 to 10 s"
            raise SpoofsweepError(rule, self)


class VoiceTracker:
    """One stream's voice activity, a decision each hop of the front end."""

    def __init__(self, settings: VoiceActivity, sample_rate: int, hop_samples: int) -> None:
        self._settings = settings
        self._hop = hop_samples
        hop_s = hop_samples / sample_rate
        self._rise, self._fall = (1 - math.exp(-hop_s / seconds) for seconds in (_RISE_S, _FALL_S))
        self._burst_hops = max(1, round(_BURST_S / hop_s))
        self._hang_over_hops = round(settings.hang_over_s / hop_s)
        self._buffer = SampleBuffer()
        self._decisions = bytearray()
        self._forgotten = 0
        self._floor_db = settings.silence_dbfs
        self._loud_hops = 0
        self._hanging_hops = 0

    def feed(self, samples_T: Wave) -> None:
        """Decide about the hops that these samples complete."""
        self._buffer.append(samples_T)
        num_hops = len(self._buffer) // self._hop
        if not num_hops:
            return
        hops_HT = self._buffer.peek(0, num_hops * self._hop).reshape(num_hops, self._hop)
        level_H = 10 * np.log10(np.einsum("ht,ht->h", hops_HT, hops_HT) / self._hop + 1e-12)
        self._buffer.drop(num_hops * self._hop)
        self._decisions += bytes(map(self._decide, level_H.tolist()))

    def is_speech(self, start_hop: int, end_hop: int) -> bool:
        """Whether enough of these hops is speech; whoever asks goes forward, and what lies before is forgotten."""
        if start_hop - self._forgotten >= _KEPT:
            del self._decisions[: start_hop - self._forgotten]
            self._forgotten = start_hop
        first = self._forgotten
        return self._decisions.count(1, start_hop - first, end_hop - first) >= _SPEECH_SHARE * (end_hop - start_hop)

    def _decide(self, level_db: float) -> bool:
        distance_db = level_db - self._floor_db
        self._floor_db += distance_db * (self._rise if distance_db > 0 else self._fall)
        if distance_db > self._settings.margin_db and level_db > self._settings.silence_dbfs:
            self._loud_hops += 1
            if self._loud_hops >= self._burst_hops:
                self._hanging_hops = self._hang_over_hops
            return True
        self._loud_hops = 0
        self._hanging_hops -= 1
        return self._hanging_hops >= 0
