"""The detector: an exported file put to work by ONNX Runtime alone.

Array names carry shapes: T samples.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from cluster.errors import SpoofsweepError
from data_prep.decoding import decode_parts
from deploy.detection import Detection, Window, verdict_label
from deploy.detector_card import WHOLE_FILE, DetectorCard
from deploy.stream.aggregation import RUNNING, Aggregation
from deploy.stream.common_runs import work_together
from deploy.stream.detector_stream import DetectorStream, StreamScore
from deploy.stream.onnx_model import OnnxModel, Work
from deploy.stream.samples import Wave, checked_rate, checked_samples
from deploy.stream.voice_activity import VoiceActivity

T = TypeVar("T")


class Detector:
    """Scores audio as the trained model does. It keeps nothing between calls: threads may share it.

    Attributes:
        card: what the file says of itself.
        threshold: scores above it are bona fide; the card's unless replaced.
    """

    def __init__(self, model: OnnxModel, threshold: float | None = None) -> None:
        self._model = model
        self.card: DetectorCard = model.card
        self.threshold = model.card.threshold if threshold is None else threshold

    @classmethod
    def load(cls, path: Path | str, threshold: float | None = None, num_threads: int = 1) -> "Detector":
        """Read an exported ONNX file of either form.

        Args:
            num_threads: CPU threads for one run; more help only large models on long windows.

        Raises:
            SpoofsweepError: there is none, or not one that spoofsweep exported.
        """
        return cls(OnnxModel.open(Path(path), num_threads), threshold)

    @property
    def sample_rate(self) -> int:
        """Hz of the audio that the model was trained on."""
        return self.card.sample_rate

    def score(self, wave_T: Any, sample_rate: float) -> Detection:
        """Score a mono wave; another sampling rate is converted.

        Args:
            wave_T: ``[num_samples]``, any floating type in -1..1, or PCM as int16, int32 or uint8.
            sample_rate: Hz.

        Raises:
            SpoofsweepError: the wave is not one-dimensional, too short to be scored, or not finite.
        """
        return self.score_parts(iter([checked_samples(wave_T)]), checked_rate(sample_rate))

    def score_file(self, path: Path) -> Detection:
        """Score an audio file, as it is read: an hour takes no more memory than ten minutes, but where the model
        normalises over the whole file.

        Raises:
            data_prep.decode_error.DecodeError: the file holds no usable audio.
            SpoofsweepError: it is too short.
        """
        parts = decode_parts(path)
        first_T, rate = next(parts)
        return self.score_parts(chain([first_T], (part_T for part_T, _ in parts)), rate)

    def stream(
        self,
        sample_rate: float | None = None,
        aggregation: Aggregation = RUNNING,
        voice_activity: VoiceActivity | None = None,
        warm_up_s: float = 0.0,
        clock: Callable[[], float] | None = None,
    ) -> DetectorStream:
        """A listener of its own; many may run beside each other.

        Args:
            sample_rate: Hz of what it will be fed; the model's unless given.
            aggregation: what makes one score of many.
            voice_activity: leaves out what is no speech.
            warm_up_s: seconds of (speech) audio before the first label.
            clock: seconds of a clock that time stamps are to follow, for a live source; else they follow the samples.

        Raises:
            SpoofsweepError: the model needs whole files, or speech is not recorded at such a sampling rate.
        """
        if self.card.context_frames == WHOLE_FILE:
            raise SpoofsweepError(
                "live audio needs a model that can score before its end is known",
                'one that normalises over the whole file, by features.cmvn = "utterance"',
                'record a file and give that, or train with features.cmvn = "none" or "global"',
            )
        rate = self.sample_rate if sample_rate is None else sample_rate
        return DetectorStream(self._model, self.threshold, rate, aggregation, voice_activity, warm_up_s, clock)

    def work_together(self, works: Iterable[Work[T]]) -> list[T | SpoofsweepError]:
        """Do the work of many streams (`DetectorStream.feeding`) in common runs; see `deploy.stream.common_runs`."""
        return work_together(self._model, works)

    def score_parts(self, parts: Iterator[Wave], sample_rate: float) -> Detection:
        """Score consecutive parts of one mono wave; see `score`."""
        stream = DetectorStream(self._model, self.threshold, sample_rate)
        windows = list(self._windows(self._scores(stream, parts)))
        duration_s = stream.duration_s + sum(map(len, parts)) / sample_rate
        if not windows:
            found, needed = f"{1000 * duration_s:g} ms", f"at least {1000 * self._shortest_s:g} ms"
            raise SpoofsweepError("audio must last long enough to be scored", found, needed)
        # The frame grid may reach past the last sample, the times do not.
        course = tuple(replace(window, end_s=min(window.end_s, duration_s)) for window in windows)
        score = course[-1].running_score
        return Detection(verdict_label(score, self.threshold), score, self.threshold, duration_s, course)

    def _scores(self, stream: DetectorStream, parts: Iterator[Wave]) -> Iterator[StreamScore]:
        """All scores of a file, or the first, as validation took them."""
        scores = chain.from_iterable(chain(map(stream.feed, parts), map(DetectorStream.finish, [stream])))
        first_only = self.card.form == "utterance" and self.card.coverage == "first"
        return islice(scores, 1) if first_only else scores

    def _windows(self, scores: Iterator[StreamScore]) -> Iterator[Window]:
        """Steps are gathered to about a second; windows stay as they are."""
        card = self.card
        size = max(1, round(card.sample_rate / card.step_samples)) if card.form == "stream" else 1
        while group := list(islice(scores, size)):
            running = group[-1].running_score
            assert running is not None  # without voice activity every score enters
            yield Window(group[0].start_s, group[-1].end_s, fmean(one.score for one in group), running)

    @property
    def _shortest_s(self) -> float:
        """What the first score needs."""
        card = self.card
        needed = card.lead_samples + card.step_samples if card.form == "stream" else card.window_samples
        return needed / card.sample_rate
