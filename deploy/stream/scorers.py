"""Samples at a model's rate to scores of stretches of audio, as they come: step by step, or window by window.

Array names carry shapes: T samples, S steps, W windows.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from deploy.detector_card import CONTEXT, SAMPLES, TAIL, WHOLE_FILE
from deploy.stream.onnx_model import OnnxModel, Work
from deploy.stream.sample_buffer import SampleBuffer
from deploy.stream.samples import Wave
from deploy.zero_states import zero_states
from trainable.data.windows import window_starts

_WINDOWS_A_RUN = 64
"""Where they share one; the network takes no more memory than for so many."""


class FrameScore(NamedTuple):
    """Score of the frames from ``start_frame`` inclusive to ``end_frame`` exclusive."""

    start_frame: int
    end_frame: int
    score: float


class Scorer(Protocol):
    """One stream's state; feeding it in any chunking gives the same scores. Whoever does its work runs the graph."""

    def feed(self, samples_T: Wave) -> Work[list[FrameScore]]:
        """Scores that more samples complete."""
        ...

    def finish(self) -> Work[list[FrameScore]]:
        """Scores that were waiting for more samples, now that there are none."""
        ...

    def reset(self) -> None:
        """Begin a new stream."""
        ...


def make_scorer(model: OnnxModel) -> Scorer:
    """The scorer of the model's form."""
    return StepScorer(model) if model.card.form == "stream" else WindowScorer(model)


class StepScorer:
    """Runs a stream form, which scores every step and hands its states on."""

    def __init__(self, model: OnnxModel) -> None:
        card = model.card
        self._step, self._lead = card.step_samples, card.lead_samples
        self._frames_a_step = card.step_samples // card.hop_samples
        self._states = zero_states(card)
        # A run as long as this costs no more a step, and needs little memory.
        self._largest = card.step_samples * max(1, 10 * card.sample_rate // card.step_samples)
        self._buffer = SampleBuffer()
        self.reset()

    def reset(self) -> None:
        self._buffer.clear()
        self._inputs = {name: zeros.copy() for name, zeros in self._states.items()}
        self._next_frame = 0
        self._begun = self._lead == 0

    def feed(self, samples_T: Wave) -> Work[list[FrameScore]]:
        scores: list[FrameScore] = []
        for first in range(0, len(samples_T), self._largest):
            self._buffer.append(samples_T[first : first + self._largest])
            if not self._begun and len(self._buffer) >= self._lead:
                self._begin()
            if self._begun and len(self._buffer) >= self._step:
                yield from self._score_waiting(scores)
        return scores

    def finish(self) -> Work[list[FrameScore]]:
        """Nothing: samples that do not fill a step are not scored, in training as here."""
        yield from ()
        return []

    def _begin(self) -> None:
        """The first samples only complete the first analysis window: they are its past."""
        self._inputs[TAIL][0, -self._lead :] = self._buffer.peek(0, self._lead)
        self._buffer.drop(self._lead)
        self._begun = True

    def _score_waiting(self, scores: list[FrameScore]) -> Work[None]:
        num_samples = len(self._buffer) // self._step * self._step
        inputs = self._inputs
        inputs[SAMPLES] = self._buffer.peek(0, num_samples)[None]
        score_BS, *states = yield inputs
        self._buffer.drop(num_samples)
        for name, state in zip(self._states, states, strict=True):
            inputs[name] = state
        frame, width = self._next_frame, self._frames_a_step
        for score in score_BS[0].tolist():
            scores.append(FrameScore(frame, frame + width, score))
            frame += width
        self._next_frame = frame


class WindowScorer:
    """Runs an utterance form on consecutive windows, the last aligned to the end (see `trainable.data.windows`)."""

    def __init__(self, model: OnnxModel) -> None:
        card = model.card
        self._width, self._context, self._hop = card.window_frames, card.context_frames, card.hop_samples
        self._overlap = card.window_samples - card.hop_samples
        self._largest = 10 * card.sample_rate
        # A run begins with the features of all that its windows look at, so those that need the whole file share runs.
        self._most = _WINDOWS_A_RUN if card.context_frames == WHOLE_FILE else 1
        self._buffer = SampleBuffer()
        self.reset()

    def reset(self) -> None:
        self._buffer.clear()
        self._dropped_frames = 0
        self._next_start = 0

    def feed(self, samples_T: Wave) -> Work[list[FrameScore]]:
        scores: list[FrameScore] = []
        for first in range(0, len(samples_T), self._largest):
            self._buffer.append(samples_T[first : first + self._largest])
            num_frames = self._num_frames()
            while self._next_start + self._width + self._context <= num_frames:
                scores += yield from self._score([self._next_start], num_frames)
                self._next_start += self._width
                self._forget()
        return scores

    def finish(self) -> Work[list[FrameScore]]:
        num_frames = self._num_frames()
        starts = window_starts(num_frames, self._width, "full") if num_frames > 0 else []
        left = [start for start in starts if start >= self._next_start or start % self._width]
        scores: list[FrameScore] = []
        for first in range(0, len(left), self._most):
            scores += yield from self._score(left[first : first + self._most], num_frames)
        return scores

    def _num_frames(self) -> int:
        """Of the stream so far."""
        return self._dropped_frames + (len(self._buffer) - self._overlap) // self._hop

    def _score(self, starts: Sequence[int], num_frames: int) -> Work[list[FrameScore]]:
        """Of windows of the same length, in one run."""
        ends = [min(start + self._width, num_frames) for start in starts]
        first, last = max(0, starts[0] - self._context), min(ends[-1] + self._context, num_frames)
        begin = (first - self._dropped_frames) * self._hop
        samples_T = self._buffer.peek(begin, begin + (last - first) * self._hop + self._overlap)
        around_W2 = np.array([(start - first, last - end) for start, end in zip(starts, ends, strict=True)], np.int64)
        (score_W,) = yield {SAMPLES: samples_T[None], CONTEXT: around_W2}
        return [FrameScore(*each) for each in zip(starts, ends, score_W.tolist(), strict=True)]

    def _forget(self) -> None:
        """Drop what no window can need: the last one may begin a window before the next one would."""
        needed = max(0, self._next_start - self._width - self._context)
        self._buffer.drop((needed - self._dropped_frames) * self._hop)
        self._dropped_frames = needed
