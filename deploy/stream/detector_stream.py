"""One listener: samples of any length in, time-stamped scores out.

Array names carry shapes: T samples.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import soxr

from cluster.errors import SpoofsweepError
from deploy.detection import verdict_label
from deploy.stream.aggregation import RUNNING, Aggregation, Stretch
from deploy.stream.arrival_clock import ArrivalClock
from deploy.stream.onnx_model import OnnxModel, Work
from deploy.stream.samples import Wave, checked_rate, checked_samples
from deploy.stream.scorers import FrameScore, make_scorer
from deploy.stream.voice_activity import VoiceActivity, VoiceTracker


class StreamScore(NamedTuple):
    """What a stream says of one step, or of one window."""

    start_s: float
    end_s: float
    score: float
    """Of this step or window alone: logit difference, higher for bona fide."""
    running_score: float | None
    """The aggregate so far; none before there was speech."""
    llr: float | None
    """The aggregate as natural log-likelihood ratio; none where the model is not calibrated."""
    label: str | None
    """By the aggregate; none before there was enough speech."""
    is_speech: bool
    """Whether it entered the aggregate."""


class DetectorStream:
    """Scores one stream; made by `Detector.stream`. Not to be shared between threads.

    Fed in any chunking, it gives the same scores.
    """

    def __init__(
        self,
        model: OnnxModel,
        threshold: float,
        sample_rate: float,
        aggregation: Aggregation = RUNNING,
        voice_activity: VoiceActivity | None = None,
        warm_up_s: float = 0.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._model, self._card = model, model.card
        self._hop_s = model.card.hop_samples / model.card.sample_rate
        self._threshold = threshold
        self._rate = checked_rate(sample_rate)
        self._aggregation, self._voice_activity = aggregation, voice_activity
        self._warm_up_s, self._clock = warm_up_s, clock
        self._scorer = make_scorer(model)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream: nothing of the old one is kept."""
        card, settings = self._card, self._voice_activity
        self._scorer.reset()
        self._accumulator = self._aggregation.accumulator()
        self._voice = None if settings is None else VoiceTracker(settings, card.sample_rate, card.hop_samples)
        self._arrivals = None if self._clock is None else ArrivalClock(self._clock)
        is_native = self._rate == card.sample_rate
        self._resampler = None if is_native else soxr.ResampleStream(self._rate, card.sample_rate, 1, quality="HQ")
        self._num_samples = 0
        self._end_frame = 0
        self._finished = False
        self.speech_s = 0.0
        self.running_score: float | None = None

    @property
    def duration_s(self) -> float:
        """Of what was fed, by the nominal rate."""
        return self._num_samples / self._rate

    @property
    def label(self) -> str | None:
        """The verdict so far; none before there was as much speech as `warm_up_s` asks for, and at least some."""
        if self.running_score is None or self.speech_s < self._warm_up_s:
            return None
        return verdict_label(self.running_score, self._threshold)

    @property
    def llr(self) -> float | None:
        """The aggregate so far as natural log-likelihood ratio; none without calibration, or without speech."""
        calibration, running = self._card.calibration, self.running_score
        return None if calibration is None or running is None else calibration[0] * running + calibration[1]

    @property
    def lowest(self) -> Stretch | None:
        """The stretch that sounds most like a spoof, where the aggregation remembers it."""
        return self._accumulator.lowest

    @property
    def drift_ppm(self) -> float | None:
        """By how much the source is faster than its nominal rate; none without clock, and in the first half minute."""
        return None if self._arrivals is None else self._arrivals.drift_ppm

    def feed(self, samples_T: Any) -> list[StreamScore]:
        """The scores that these samples complete, often none.

        Args:
            samples_T: the next samples, ``[num_samples]``, see `checked_samples`.

        Raises:
            SpoofsweepError: they are no audio; the stream is as before.
        """
        return self._model.work(self.feeding(samples_T))

    def feeding(self, samples_T: Any) -> Work[list[StreamScore]]:
        """`feed`, for whoever runs the graph himself, perhaps for many streams at once."""
        if self._finished:
            raise SpoofsweepError("a finished stream takes no more samples", remedy="reset it, or make another")
        wave_T = checked_samples(samples_T)
        self._num_samples += len(wave_T)
        if self._arrivals is not None:
            self._arrivals.arrived(self.duration_s)
        if self._resampler is not None:
            wave_T = self._resampler.resample_chunk(wave_T)
        return (yield from self._reported(wave_T))

    def finish(self) -> list[StreamScore]:
        """The scores that were waiting for more samples; afterwards only `reset` goes on."""
        return self._model.work(self.finishing())

    def finishing(self) -> Work[list[StreamScore]]:
        """`finish`, likewise."""
        if self._finished:
            return []
        self._finished = True
        reports: list[StreamScore] = []
        if self._resampler is not None:
            reports += yield from self._reported(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        scores = yield from self._scorer.finish()
        return reports + [self._report(score) for score in scores]

    def _reported(self, wave_T: Wave) -> Work[list[StreamScore]]:
        if self._voice is not None:
            self._voice.feed(wave_T)
        scores = yield from self._scorer.feed(wave_T)
        return [self._report(score) for score in scores]

    def _report(self, scored: FrameScore) -> StreamScore:
        first, end, score = scored
        start_s, end_s = first * self._hop_s, end * self._hop_s
        if self._arrivals is not None:
            start_s, end_s = self._arrivals.at(start_s), self._arrivals.at(end_s)
        is_speech = self._voice is None or self._voice.is_speech(first, end)
        if is_speech:
            self.running_score = self._accumulator.add(start_s, end_s, score, (end - first) * self._hop_s)
            # The last window reaches back into the one before.
            self.speech_s += (end - max(first, self._end_frame)) * self._hop_s
        self._end_frame = end
        return StreamScore(start_s, end_s, score, self.running_score, self.llr, self.label, is_speech)
