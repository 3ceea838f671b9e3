"""One listener: samples of any length in, time-stamped scores out.

Array names carry shapes: T samples.
"""

from typing import Any, NamedTuple

import numpy as np
import soxr

from cluster.errors import SpoofsweepError
from deploy.aggregation import RUNNING, Aggregation, Stretch
from deploy.detection import verdict_label
from deploy.onnx_model import OnnxModel
from deploy.samples import checked_rate, checked_samples
from deploy.scorers import FrameScore, make_scorer


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
        self, model: OnnxModel, threshold: float, sample_rate: float, aggregation: Aggregation = RUNNING
    ) -> None:
        self._card = model.card
        self._threshold = threshold
        self._rate = checked_rate(sample_rate)
        self._aggregation = aggregation
        self._scorer = make_scorer(model)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream: nothing of the old one is kept."""
        self._scorer.reset()
        self._accumulator = self._aggregation.accumulator()
        self._running: float | None = None
        self._finished = False
        rate = self._card.sample_rate
        self._resampler = None if self._rate == rate else soxr.ResampleStream(self._rate, rate, 1, quality="HQ")

    @property
    def lowest(self) -> Stretch | None:
        """The stretch that sounds most like a spoof, where the aggregation remembers it."""
        return self._accumulator.lowest

    def feed(self, samples_T: Any) -> list[StreamScore]:
        """The scores that these samples complete, often none.

        Args:
            samples_T: the next samples, ``[num_samples]``, see `checked_samples`.

        Raises:
            SpoofsweepError: they are no audio; the stream is as before.
        """
        if self._finished:
            raise SpoofsweepError("a finished stream takes no more samples", remedy="reset it, or make another")
        wave_T = checked_samples(samples_T)
        if self._resampler is not None:
            wave_T = self._resampler.resample_chunk(wave_T)
        return self._reported(self._scorer.feed(wave_T))

    def finish(self) -> list[StreamScore]:
        """The scores that were waiting for more samples; afterwards only `reset` goes on."""
        if self._finished:
            return []
        self._finished = True
        rest: list[FrameScore] = []
        if self._resampler is not None:
            rest += self._scorer.feed(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        return self._reported(rest + self._scorer.finish())

    def _reported(self, scores: list[FrameScore]) -> list[StreamScore]:
        return [self._report(score) for score in scores]

    def _report(self, scored: FrameScore) -> StreamScore:
        card = self._card
        hop_s = card.hop_samples / card.sample_rate
        start_s, end_s = scored.start_frame * hop_s, scored.end_frame * hop_s
        running = self._accumulator.add(start_s, end_s, scored.score)
        llr = None if card.calibration is None else card.calibration[0] * running + card.calibration[1]
        return StreamScore(start_s, end_s, scored.score, running, llr, verdict_label(running, self._threshold), True)
