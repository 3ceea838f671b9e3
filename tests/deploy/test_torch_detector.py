import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import soxr

from cluster.errors import SpoofsweepError
from data_prep.decoding import DecodeError
from data_prep.error_rates import equal_error_rate
from deploy.detection import BONAFIDE
from deploy.torch_detector import TorchDetector
from trainable.checkpoints.checkpoint import read_model

# Both round features to float16; what is left is float32 sums taken in another order, for batches hold other windows.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def detector(trained):
    return TorchDetector.load(trained.folder)


def test_scores_of_files_are_the_validation_scores(detector, trained):
    table = trained.dev_scores
    scores = [detector.score_file(trained.path(name)).score for name in table.utterance_id]
    assert np.abs(np.array(scores) - table.score).max() < TOLERANCE
    assert len(set(scores)) > 50


def test_verdicts_meet_the_recorded_equal_error_rate(detector, trained):
    table = trained.dev_scores
    verdicts = np.array([detector.score_file(trained.path(name)).label for name in table.utterance_id])
    miss = np.mean(verdicts[table.label == "bonafide"] != BONAFIDE)
    false_alarm = np.mean(verdicts[table.label == "spoof"] == BONAFIDE)
    # The threshold is the score of one utterance, which rounding may put on either side of it.
    one_utterance = 0.5 / min(len(table.bonafide), len(table.spoof))
    eer, _ = equal_error_rate(table.bonafide, table.spoof)
    assert (miss + false_alarm) / 2 == pytest.approx(eer, abs=one_utterance + 1e-9)
    assert trained.dev_eer == equal_error_rate(table.bonafide, table.spoof)[0]


def test_course_of_a_long_wave(detector):
    wave = np.random.default_rng(0).normal(0, 0.1, 16000 * 7 + 4000).astype(np.float32)
    detection = detector.score(wave, 16000)
    windows = detection.windows
    assert detection.duration_s == 7.25
    assert len(windows) == 8
    assert [round(w.start_s, 2) for w in windows[:7]] == [0, 1, 2, 3, 4, 5, 6]
    assert windows[-1].end_s == pytest.approx(7.25, abs=0.02)
    assert windows[-1].end_s - windows[-1].start_s == pytest.approx(1.0)
    means = np.cumsum([w.score for w in windows]) / np.arange(1, 9)
    assert [w.running_score for w in windows] == pytest.approx(means)
    assert detection.score == windows[-1].running_score


def test_another_sampling_rate_is_converted(detector, trained):
    wave, rate = soundfile.read(trained.path(trained.dev_scores.utterance_id[0]), dtype="float32")
    there = np.asarray(soxr.resample(wave, rate, 44100))
    assert detector.score(there, 44100).score == pytest.approx(detector.score(wave, rate).score, abs=0.05)
    assert detector.score(there, 44100).duration_s == pytest.approx(len(wave) / rate, abs=1e-3)


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (np.zeros((2, 16000)), r"shape \(2, 16000\)"),
        (np.array([0.1]), "analysis window"),
        (np.array([]), "analysis window"),
        (np.array([0.1, np.nan] * 8000), "8000 that are not"),
        (np.full(16000, 12000.0), "between -1 and 1"),
    ],
)
def test_waves_that_cannot_be_scored_are_refused(detector, wave, words):
    with pytest.raises(SpoofsweepError, match=words):
        detector.score(wave, 16000)


def test_whole_numbers_are_scaled(detector):
    wave = np.random.default_rng(0).integers(-3000, 3000, 16000).astype(np.int16)
    assert detector.score(wave, 16000) == detector.score(wave / 32768, 16000)


def test_a_file_that_is_no_audio_is_refused(detector, tmp_path):
    path = tmp_path / "text.flac"
    path.write_text("not audio")
    with pytest.raises(DecodeError):
        detector.score_file(path)


def test_a_model_without_threshold_needs_one(trained):
    record, model = read_model(trained.folder)
    record = record.model_copy(update={"threshold": None})
    with pytest.raises(SpoofsweepError, match="never validated, or diverged"):
        TorchDetector(record, model)
    assert TorchDetector(record, model, threshold=0.25).threshold == 0.25


def test_a_folder_without_model_is_refused(tmp_path):
    with pytest.raises(SpoofsweepError, match=r"model\.json"):
        TorchDetector.load(tmp_path)


def test_scoring_a_file_needs_neither_ray_nor_mlflow(trained):
    name = trained.dev_scores.utterance_id[0]
    code = f"""
import json, sys
from pathlib import Path
from deploy.torch_detector import TorchDetector
score = TorchDetector.load({str(trained.folder)!r}).score_file(Path({str(trained.path(name))!r})).score
print(json.dumps([score, sorted({{"ray", "mlflow", "optuna", "search"}} & set(sys.modules))]))
"""
    score, imported = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    assert imported == []
    assert score == pytest.approx(trained.dev_scores.score[0], abs=TOLERANCE)
