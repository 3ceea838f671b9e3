"""The detector on exported files: right answers, in any chunking, from any kind of samples."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import onnx
import pytest
import soundfile
import soxr
from small_graphs import (
    HOP,
    LEAD,
    STEP,
    STREAM_CARD,
    UTTERANCE_CARD,
    WINDOW,
    stream_scores,
    window_score,
    write_stream_file,
    write_utterance_file,
)

from cluster.errors import SpoofsweepError
from data_prep.decode_error import DecodeError
from data_prep.decoding import decode_parts
from deploy.detector_card import WHOLE_FILE
from deploy.stream.detector import Detector
from deploy.stream.onnx_model import OnnxModel
from trainable.data.windows import window_starts

WAVE = np.random.default_rng(0).normal(0.05, 0.1, 16000 * 3 + 777).astype(np.float32)


@pytest.fixture(scope="module")
def stream_detector(tmp_path_factory):
    return Detector.load(write_stream_file(tmp_path_factory.mktemp("stream") / "stream.onnx"))


@pytest.fixture(scope="module")
def window_detector(tmp_path_factory):
    return Detector.load(write_utterance_file(tmp_path_factory.mktemp("utterance") / "utterance.onnx"))


@pytest.fixture(params=["stream", "utterance"])
def detector(request, stream_detector, window_detector):
    return stream_detector if request.param == "stream" else window_detector


def num_frames(num_samples):
    return 1 + (num_samples - WINDOW) // HOP


def random_cuts(num_samples, seed):
    """Chunks of very different lengths, empty ones too."""
    generator = np.random.default_rng(seed)
    sizes = (10.0 ** generator.uniform(-0.5, 4.5, 1000)).astype(int)
    ends = np.minimum(np.cumsum(sizes), num_samples)
    return [0, *ends[: np.searchsorted(ends, num_samples) + 1].tolist()]


def streamed(detector, wave, cuts, rate=None):
    stream = detector.stream(rate)
    scores = [score for a, b in pairwise(cuts) for score in stream.feed(wave[a:b])]
    return scores + stream.finish()


def test_a_stream_form_answers_as_numpy_does(stream_detector):
    scores = [score.score for score in streamed(stream_detector, WAVE, [0, len(WAVE)])]
    np.testing.assert_allclose(scores, stream_scores(WAVE), atol=1e-6)
    assert stream_detector.score(WAVE, 16000).score == pytest.approx(stream_scores(WAVE).mean(), abs=1e-6)


@pytest.mark.parametrize("num_samples", [WINDOW, 100 * HOP + LEAD, 100 * HOP + LEAD + HOP, 30000, len(WAVE)])
def test_an_utterance_form_answers_as_numpy_does(window_detector, num_samples):
    wave = WAVE[:num_samples]
    frames = num_frames(num_samples)
    expected = [window_score(wave, start, frames) for start in window_starts(frames, 100, "full")]
    detection = window_detector.score(wave, 16000)
    assert [window.score for window in detection.windows] == pytest.approx(expected, abs=1e-6)
    assert detection.score == pytest.approx(np.mean(expected), abs=1e-6)
    assert detection.windows[-1].end_s <= detection.duration_s == num_samples / 16000


@pytest.mark.parametrize("seed", range(8))
def test_any_chunking_gives_the_same(detector, seed):
    whole = streamed(detector, WAVE, [0, len(WAVE)])
    parts = streamed(detector, WAVE, random_cuts(len(WAVE), seed))
    np.testing.assert_allclose([s[:4] for s in parts], [s[:4] for s in whole], atol=1e-5)
    assert [s[5:] for s in parts] == [s[5:] for s in whole]


@pytest.mark.parametrize("rate", [16000, 8000])
def test_samples_one_by_one_give_the_same(detector, rate):
    wave = WAVE[:17000]
    whole = streamed(detector, wave, [0, len(wave)], rate)
    single = streamed(detector, wave, range(len(wave) + 1), rate)
    np.testing.assert_allclose([s[:4] for s in single], [s[:4] for s in whole], atol=1e-5)
    assert len(whole) > 0


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
def test_streams_at_another_rate_are_converted_as_whole_files_are(detector, rate):
    there = np.asarray(soxr.resample(WAVE, 16000, rate))
    parts = streamed(detector, there, random_cuts(len(there), rate), rate)
    back = np.asarray(soxr.resample(there, rate, 16000, quality="HQ"))
    whole = streamed(detector, back, [0, len(back)])
    np.testing.assert_allclose([s[:4] for s in parts], [s[:4] for s in whole], atol=1e-5)
    detection = detector.score(there, rate)
    assert detection.score == pytest.approx(whole[-1].running_score, abs=1e-5)
    assert detection.duration_s == pytest.approx(len(WAVE) / 16000, abs=1e-3)


def test_scores_come_as_soon_as_their_samples_are_there(stream_detector):
    stream = stream_detector.stream()
    assert stream.feed(WAVE[: LEAD + STEP - 1]) == []
    (first,) = stream.feed(WAVE[LEAD + STEP - 1 : LEAD + STEP])
    assert (first.start_s, first.end_s) == (0.0, 0.04)
    assert [s.start_s for s in stream.feed(WAVE[LEAD + STEP : LEAD + 3 * STEP])] == pytest.approx([0.04, 0.08])


def test_calibrated_scores_and_labels(stream_detector):
    scores = streamed(stream_detector, WAVE, [0, len(WAVE)])
    means = np.cumsum(stream_scores(WAVE)) / np.arange(1, len(scores) + 1)
    assert [s.llr for s in scores] == pytest.approx(2 * means - 0.5, abs=1e-5)
    assert {s.label for s in scores} == {"bonafide"}
    assert stream_detector.score(-WAVE, 16000).label == "spoof"


def test_a_reset_stream_is_a_new_one(detector):
    stream = detector.stream(8000)
    first = stream.feed(WAVE) + stream.finish()
    stream.reset()
    assert stream.feed(WAVE) + stream.finish() == first
    with pytest.raises(SpoofsweepError, match="finished stream"):
        stream.feed(WAVE)
    assert stream.finish() == []


def test_what_was_heard_is_counted_once(window_detector):
    stream = window_detector.stream()
    ends_s = [score.end_s for score in stream.feed(WAVE) + stream.finish()]
    assert stream.speech_s == pytest.approx(ends_s[-1]) == pytest.approx(stream.duration_s, abs=0.02)


def test_streams_of_one_detector_do_not_mix(stream_detector):
    one, other = stream_detector.stream(), stream_detector.stream()
    mixed = []
    for start in range(0, 16000, 1600):
        mixed += one.feed(WAVE[start : start + 1600])
        other.feed(-WAVE[start : start + 1600])
    np.testing.assert_allclose([s.score for s in mixed], stream_scores(WAVE[:16000]), atol=1e-6)


def test_a_long_file_has_windows_of_a_second(stream_detector):
    windows = stream_detector.score(WAVE, 16000).windows
    assert [w.start_s for w in windows] == [0.0, 1.0, 2.0]
    assert windows[0].score == windows[0].running_score == pytest.approx(stream_scores(WAVE)[:25].mean(), abs=1e-6)


def test_where_validation_scored_the_first_window_so_does_a_file(tmp_path):
    card = replace(UTTERANCE_CARD, coverage="first")
    detector = Detector.load(write_utterance_file(tmp_path / "first.onnx", card))
    detection = detector.score(WAVE, 16000)
    assert detection.score == pytest.approx(window_score(WAVE, 0, num_frames(len(WAVE))), abs=1e-6)
    assert len(detection.windows) == 1
    assert len(streamed(detector, WAVE, [0, len(WAVE)])) > 1


@pytest.mark.parametrize(
    "convert",
    [
        lambda wave: (wave * 32768).astype(np.int16),
        lambda wave: (wave.astype(np.float64) * 2**31).astype(np.int32),
        lambda wave: (wave * 128 + 128).round().astype(np.uint8),
        lambda wave: wave.astype(np.float64),
        lambda wave: wave.astype(np.float16),
        lambda wave: wave.tolist(),
        lambda wave: np.repeat(wave, 2)[::2],
    ],
)
def test_kinds_of_samples(detector, convert):
    wave = np.clip(WAVE, -0.99, 0.99)
    coarse = 1 / 128 if convert(wave[:1]).__class__ is not list and convert(wave[:1]).dtype == np.uint8 else 1e-4
    assert detector.score(convert(wave), 16000).score == pytest.approx(detector.score(wave, 16000).score, abs=coarse)


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (np.zeros((2, 16000), np.float32), r"shape \(2, 16000\)"),
        (np.float32(0.1), r"shape \(\)"),
        (np.array([0.1, np.nan] * 800), "800 that are not"),
        (np.array([0.1, -np.inf] * 800), "800 that are not"),
        (np.full(1600, 12000.0), "a peak of 12000; divide whole numbers"),
        (np.full(1600, -12000.0), "a peak of 12000"),
        (np.zeros(1600, np.int64), "int64"),
        (np.zeros(1600, complex), "complex128"),
        (["a", "b"], "<U1"),
    ],
)
def test_bad_samples_are_refused_and_do_no_harm(detector, wave, words):
    stream = detector.stream()
    scores = stream.feed(WAVE[:20000])
    with pytest.raises(SpoofsweepError, match=words):
        stream.feed(wave)
    assert scores + stream.feed(WAVE[20000:]) + stream.finish() == streamed(detector, WAVE, [0, len(WAVE)])


@pytest.mark.parametrize("rate", [0, -16000, 16, 1e9, float("nan")])
def test_impossible_rates_are_refused(detector, rate):
    with pytest.raises(SpoofsweepError, match="sampling rate"):
        detector.stream(rate)
    with pytest.raises(SpoofsweepError, match="sampling rate"):
        detector.score(WAVE, rate)


@pytest.mark.parametrize("num_samples", [0, 1, WINDOW - 1])
def test_what_is_too_short_is_refused(detector, num_samples):
    with pytest.raises(SpoofsweepError, match="long enough"):
        detector.score(WAVE[:num_samples], 16000)
    assert streamed(detector, WAVE, [0, num_samples]) == []


def test_files_are_read(detector, tmp_path):
    path = tmp_path / "wave.wav"
    soundfile.write(path, WAVE, 16000, subtype="FLOAT")
    assert detector.score_file(path) == detector.score(WAVE, 16000)


def test_a_file_read_in_parts_is_scored_as_a_whole(detector, tmp_path):
    path = tmp_path / "wave.flac"
    there = np.stack([np.asarray(soxr.resample(WAVE, 16000, 22050))] * 2, axis=1)
    soundfile.write(path, np.tile(there, (12, 1)).clip(-0.9, 0.9), 22050)
    whole_T, _ = soundfile.read(path, dtype="float32")
    parts = list(decode_parts(path, max_samples=1 << 19))
    assert len(parts) == 4
    np.testing.assert_array_equal(np.concatenate([part for part, _ in parts]), whole_T[:, 0])
    in_parts = detector.score_parts((part for part, _ in parts), 22050)
    assert in_parts == detector.score_file(path) == detector.score(whole_T[:, 0], 22050)


def test_files_without_usable_audio_are_refused(detector, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(70000), 16000)
    (tmp_path / "text.wav").write_text("no audio")
    for name, words in (("silent.wav", "silent"), ("text.wav", "not readable as audio")):
        with pytest.raises(DecodeError, match=words):
            detector.score_file(tmp_path / name)


def test_windows_that_need_the_whole_file_share_runs(tmp_path, monkeypatch):
    """A run computes the features of all that it is given: one for each window would take the square of the length."""
    card = replace(UTTERANCE_CARD, context_frames=WHOLE_FILE)
    model = OnnxModel.open(write_utterance_file(tmp_path / "whole.onnx", card))
    run, sizes = OnnxModel.run, []

    def noted(self, inputs):
        sizes.append(len(inputs["context_frames"]))
        return run(self, inputs)

    monkeypatch.setattr(OnnxModel, "run", noted)
    wave_T = np.resize(WAVE, 150 * card.window_frames * HOP)
    windows = Detector(model).score(wave_T, 16000).windows
    frames = num_frames(len(wave_T))
    starts = window_starts(frames, card.window_frames, "full")
    assert sizes == [64, 64, len(starts) - 128]
    expected = [window_score(wave_T, start, frames) for start in starts]
    np.testing.assert_allclose([window.score for window in windows], expected, atol=1e-5)


def test_threshold_of_the_card_or_the_callers(stream_detector, tmp_path):
    path = write_stream_file(tmp_path / "a.onnx", replace(STREAM_CARD, threshold=9.0))
    assert Detector.load(path).threshold == 9.0
    assert Detector.load(path).score(WAVE, 16000).label == "spoof"
    assert Detector.load(path, threshold=-1.0).score(WAVE, 16000).label == "bonafide"


def test_files_that_are_no_detectors_are_refused(tmp_path):
    with pytest.raises(SpoofsweepError, match="none"):
        Detector.load(tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(SpoofsweepError, match="readable by ONNX Runtime"):
        Detector.load(tmp_path / "text.onnx")
    model = onnx.load(write_stream_file(tmp_path / "bare.onnx"))
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(SpoofsweepError, match="spoofsweep export"):
        Detector.load(tmp_path / "bare.onnx")


def test_nothing_heavy_is_imported():
    code = """
import json, sys
import deploy.stream.detector
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names))))
"""
    imported = set(json.loads(subprocess.check_output([sys.executable, "-c", code])))
    assert {"numpy", "onnxruntime", "soundfile", "soxr"} <= imported
    assert not {"torch", "ray", "mlflow", "pandas", "pydantic", "optuna", "scipy", "onnx"} & imported
