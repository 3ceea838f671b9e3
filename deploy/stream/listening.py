"""What `detect` says of audio as it arrives: a line now and then, the verdict at the end."""

import json
import time
from dataclasses import asdict, dataclass
from io import BufferedReader

from cluster.errors import SpoofsweepError
from deploy.stream.aggregation import RUNNING, Aggregation, Exponential, Sliding, Stretch
from deploy.stream.detector import Detector
from deploy.stream.detector_stream import DetectorStream, StreamScore
from deploy.stream.live_options import LiveOptions
from deploy.stream.live_sources import microphone_blocks, pcm_blocks
from deploy.stream.voice_activity import VoiceActivity

NO_SPEECH, NO_VERDICT = "no speech", "no verdict"


@dataclass(frozen=True)
class LiveVerdict:
    """What is left to say when a stream has ended."""

    label: str | None
    """None where there was not enough speech."""
    score: float | None
    llr: float | None
    threshold: float
    duration_s: float
    speech_s: float
    lowest: Stretch | None
    """The stretch that sounds most like a spoof, where it was looked for."""
    drift_ppm: float | None
    """Of a live source's clock, where that is known."""

    @classmethod
    def of(cls, stream: DetectorStream, detector: Detector) -> "LiveVerdict":
        """Where the stream stands."""
        return cls(
            stream.label,
            stream.running_score,
            stream.llr,
            detector.threshold,
            stream.duration_s,
            stream.speech_s,
            stream.lowest,
            stream.drift_ppm,
        )


def listen(detector: Detector, options: LiveOptions, standard_input: BufferedReader, as_json: bool) -> LiveVerdict:
    """Hear the microphone or standard input, print a line now and then, and at the end the verdict.

    The end is that of the audio, or an interrupt from the keyboard.

    Raises:
        SpoofsweepError: options do not go together, the model needs whole files, there is no microphone, or standard
            input is no raw samples.
        BrokenPipeError: nobody reads what is printed any more.
    """
    rate = detector.sample_rate if options.sample_rate is None else options.sample_rate
    stream = detector.stream(
        rate,
        _aggregation(options),
        VoiceActivity() if options.speech_only else None,
        options.warm_up_s,
        time.monotonic if options.microphone else None,
    )
    blocks = microphone_blocks(rate) if options.microphone else pcm_blocks(standard_input, rate, options.sample_format)
    lines = _Lines(options.every_s, as_json)
    try:
        for block in blocks:
            lines.print_due(stream.feed(block))
    except KeyboardInterrupt:
        pass  # the way to end what has no end of its own
    lines.print_due(stream.finish())
    verdict = LiveVerdict.of(stream, detector)
    print(_json_verdict(verdict) if as_json else _text_verdict(verdict), flush=True)
    return verdict


class _Lines:
    """Prints the first score of every so many seconds."""

    def __init__(self, every_s: float, as_json: bool) -> None:
        self._every_s = self._due_s = every_s
        self._line = _json_line if as_json else _text_line

    def print_due(self, scores: list[StreamScore]) -> None:
        for score in scores:
            if score.end_s >= self._due_s - 1e-6:
                print(self._line(score), flush=True)
                if self._every_s:
                    self._due_s += self._every_s * max(1, (score.end_s - self._due_s) // self._every_s + 1)


def _aggregation(options: LiveOptions) -> Aggregation:
    if options.half_life_s is not None and options.sliding_s is not None:
        raise SpoofsweepError("scores are aggregated in one way", "--half-life and --sliding", "give one of the two")
    if options.half_life_s is not None:
        return Exponential(options.half_life_s)
    return RUNNING if options.sliding_s is None else Sliding(options.sliding_s)


def _json_line(score: StreamScore) -> str:
    return json.dumps(score._asdict())


def _json_verdict(verdict: LiveVerdict) -> str:
    values = asdict(verdict)
    values["lowest"] = verdict.lowest and verdict.lowest._asdict()
    return json.dumps({"verdict": values})


def _text_line(score: StreamScore) -> str:
    if not score.is_speech:
        return f"{score.end_s:8.2f} s  {NO_SPEECH}"
    label = score.label or "listening"
    return f"{score.end_s:8.2f} s  {label:9} {_number(score.running_score)}  now {_number(score.score)}"


def _text_verdict(verdict: LiveVerdict) -> str:
    said = f"{verdict.label or NO_VERDICT}: score {_number(verdict.score)}, threshold {verdict.threshold:+.3f}"
    said += f", {verdict.speech_s:.2f} of {verdict.duration_s:.2f} s heard"
    if (low := verdict.lowest) is not None:
        said += f"; lowest {_number(low.score)} from {low.start_s:.2f} to {low.end_s:.2f} s"
    if verdict.drift_ppm is not None:
        said += f"; the source's clock is off by {verdict.drift_ppm:+.0f} ppm"
    return said


def _number(score: float | None) -> str:
    return "none" if score is None else f"{score:+.3f}"
