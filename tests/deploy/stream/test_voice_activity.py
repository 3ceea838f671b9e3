"""Speech among noise and silence: what the tracker says of each hop, and what a stream makes of it."""

from itertools import pairwise

import numpy as np
import pytest
import soundfile
from small_graphs import write_stream_file, write_utterance_file

from cluster.errors import SpoofsweepError
from deploy.stream.aggregation import Sliding
from deploy.stream.detector import Detector
from deploy.stream.voice_activity import VoiceActivity, VoiceTracker

RATE, HOP = 16000, 160
GENERATOR = np.random.default_rng(2)


def noise(seconds, dbfs):
    return (GENERATOR.standard_normal(int(seconds * RATE)) * 10 ** (dbfs / 20)).astype(np.float32)


@pytest.fixture(scope="module")
def speech(sample_root):
    wave, _ = soundfile.read(sorted((sample_root / "ASVspoof2019_LA_dev" / "flac").glob("*.flac"))[0], dtype="float32")
    return wave * np.float32(0.1 / np.sqrt((wave**2).mean()))


def decisions(wave, settings=VoiceActivity(), cuts=None):  # noqa: B008
    tracker = VoiceTracker(settings, RATE, HOP)
    for a, b in pairwise(cuts or [0, len(wave)]):
        tracker.feed(wave[a:b])
    return np.array([tracker.is_speech(hop, hop + 1) for hop in range(len(wave) // HOP)])


def share(flags, start_s, end_s):
    return flags[int(start_s * 100) : int(end_s * 100)].mean()


@pytest.mark.parametrize("silence", [np.zeros(80000, np.float32), noise(5.0, -70)])
def test_silence_is_no_speech(silence):
    assert not decisions(silence).any()


def test_speech_is_heard_and_silence_around_it_is_not(speech):
    wave = np.concatenate([noise(3, -75), speech, noise(3, -75)])
    flags = decisions(wave)
    end_s = 3 + len(speech) / RATE
    assert share(flags, 0, 3) == 0
    assert share(flags, 3, end_s) > 0.8
    assert share(flags, end_s + 0.3, end_s + 3) == 0


def test_steady_noise_becomes_the_floor_and_speech_above_it_is_heard(speech):
    wave = noise(20, -45)
    wave[12 * RATE : 12 * RATE + len(speech)] += speech
    flags = decisions(wave)
    assert share(flags, 8, 12) < 0.02
    assert share(flags, 12, 12 + len(speech) / RATE) > 0.6
    assert share(flags, 12 + len(speech) / RATE + 1.5, 20) < 0.02


def test_speech_that_goes_on_stays_speech(speech):
    flags = decisions(np.tile(speech, 1 + 60 * RATE // len(speech)))
    assert share(flags, 0, 60) > 0.75


def test_words_hang_over_and_clicks_do_not():
    wave = np.zeros(2 * RATE, np.float32)
    wave[RATE // 2 : RATE // 2 + HOP] = 0.5
    assert decisions(wave).sum() == 1
    wave[RATE : RATE + 10 * HOP] = 0.5
    assert decisions(wave)[100:].nonzero()[0].tolist() == list(range(30))


def test_any_chunking_gives_the_same(speech):
    cuts = np.unique(GENERATOR.integers(0, len(speech), 200)).tolist()
    assert (decisions(speech, cuts=[0, *cuts, len(speech)]) == decisions(speech)).all()


@pytest.mark.parametrize("values", [{"margin_db": 0}, {"hang_over_s": -1}, {"silence_dbfs": 3}, {"margin_db": np.nan}])
def test_impossible_settings_are_refused(values):
    with pytest.raises(SpoofsweepError, match="voice activity"):
        VoiceActivity(**values)


def test_decisions_are_forgotten_but_those_still_asked_for():
    words = np.tile(np.repeat([0.5, 0.0], 50 * HOP), 100).astype(np.float32)
    tracker = VoiceTracker(VoiceActivity(), RATE, HOP)
    found = []
    for hop in range(10000):
        tracker.feed(words[hop * HOP : (hop + 1) * HOP])
        found.append(tracker.is_speech(max(0, hop - 100), hop + 1))
    assert len(tracker._decisions) < 5000
    flags = decisions(words)
    assert found == [flags[max(0, hop - 100) : hop + 1].mean() >= 0.25 for hop in range(10000)]


@pytest.fixture(scope="module", params=[write_stream_file, write_utterance_file])
def detector(request, tmp_path_factory):
    return Detector.load(request.param(tmp_path_factory.mktemp("voice") / "detector.onnx"))


def new_seconds(scores):
    """Of each score what no earlier one was about, for the last window may reach back into the one before."""
    return np.diff([s.end_s for s in scores], prepend=0.0)


def test_silence_alone_gives_no_verdict(detector):
    stream = detector.stream(voice_activity=VoiceActivity())
    scores = stream.feed(np.zeros(5 * RATE, np.float32)) + stream.finish()
    assert len(scores) >= 5
    assert {(s.label, s.running_score, s.llr, s.is_speech) for s in scores} == {(None, None, None, False)}
    assert stream.label is None
    assert detector.stream().feed(np.zeros(5 * RATE, np.float32))[-1].label is not None


def test_steps_without_speech_do_not_enter(detector, speech):
    wave = np.concatenate([speech, np.zeros(4 * RATE, np.float32), speech])
    stream = detector.stream(voice_activity=VoiceActivity())
    scores = stream.feed(wave) + stream.finish()
    heard = [s for s in scores if s.is_speech]
    assert 0 < len(heard) < len(scores)
    assert scores[-1].running_score == pytest.approx(np.mean([s.score for s in heard]))
    assert stream.speech_s == pytest.approx(sum(new_seconds(scores) * [s.is_speech for s in scores]))
    for before, after in pairwise(scores):
        if not after.is_speech:
            assert after.running_score == before.running_score
    plain = detector.stream()
    assert [s.score for s in plain.feed(wave) + plain.finish()] == [s.score for s in scores]


def test_no_label_before_enough_speech(detector, speech):
    quiet = np.zeros(3 * RATE, np.float32)
    stream = detector.stream(voice_activity=VoiceActivity(), warm_up_s=1.99)
    scores = stream.feed(np.concatenate([quiet, speech, speech])) + stream.finish()
    heard = np.cumsum(new_seconds(scores) * [s.is_speech for s in scores])
    assert [s.label is not None for s in scores] == (heard >= 1.99).tolist()
    assert {s.label for s in scores if s.label} <= {"bonafide", "spoof"}
    assert any(s.running_score is not None and s.label is None for s in scores)
    stream.reset()
    assert stream.label is None
    assert stream.speech_s == 0


def test_the_lowest_window_of_a_stream(detector, speech):
    stream = detector.stream(aggregation=Sliding(0.4))
    scores = stream.feed(np.tile(speech, 3)) + stream.finish()
    lowest = min(s.running_score for s in scores if s.end_s > 0.39)
    assert stream.lowest.score == pytest.approx(lowest)
    stream.reset()
    assert stream.lowest is None
