"""Time stamps of a live source that is faster or slower than it says, by a clock of the test's own."""

import numpy as np
import pytest
from small_graphs import write_stream_file

from deploy.stream.arrival_clock import ArrivalClock
from deploy.stream.detector import Detector

CHUNK_S = 0.1


class Source:
    """Delivers chunks of nominally 100 ms at a rate of its own, late by up to 10 ms."""

    def __init__(self, drift_ppm, seed=0):
        self.now_s = 1000.0
        self._true_chunk_s = CHUNK_S / (1 + 1e-6 * drift_ppm)
        self._due_s = self.now_s
        self._generator = np.random.default_rng(seed)

    def __call__(self):
        return self.now_s

    def wait(self):
        self._due_s += self._true_chunk_s
        self.now_s = self._due_s + self._generator.uniform(0, 0.01)


def listened(drift_ppm, seconds):
    source = Source(drift_ppm)
    clock = ArrivalClock(source)
    for chunk in range(1, round(seconds / CHUNK_S) + 1):
        source.wait()
        clock.arrived(chunk * CHUNK_S)
    return clock, source


@pytest.mark.parametrize("drift_ppm", [0, 40, -40, 150, -300])
def test_drift_is_found(drift_ppm):
    clock, _ = listened(drift_ppm, 300)
    assert clock.drift_ppm == pytest.approx(drift_ppm, abs=5)


@pytest.mark.parametrize("drift_ppm", [0, 200])
def test_stamps_follow_the_clock_for_hours(drift_ppm):
    clock, source = listened(drift_ppm, 7200)
    elapsed_s = source.now_s - 1000.0
    assert clock.at(7200) == pytest.approx(elapsed_s, abs=0.02)
    assert abs(7200 - elapsed_s) > 1.0 or drift_ppm == 0


def test_drift_is_not_told_before_it_can_be():
    assert listened(100, 10)[0].drift_ppm is None
    assert listened(100, 60)[0].drift_ppm is not None


def test_stamps_are_smoother_than_arrivals():
    source = Source(50)
    clock = ArrivalClock(source)
    stamps, arrivals = [], []
    for chunk in range(1, 1200):
        source.wait()
        clock.arrived(chunk * CHUNK_S)
        stamps.append(clock.at(chunk * CHUNK_S))
        arrivals.append(source.now_s)
    assert (np.diff(stamps) > 0).all()
    assert np.diff(stamps[300:]).std() < np.diff(arrivals[300:]).std() / 10


def test_lost_samples_move_the_stamps():
    source = Source(0)
    clock = ArrivalClock(source)
    for chunk in range(1, 601):
        source.wait()
        clock.arrived(chunk * CHUNK_S)
    source.now_s += 30.0
    source._due_s += 30.0
    for chunk in range(601, 1201):
        source.wait()
        clock.arrived(chunk * CHUNK_S)
    assert clock.at(120.0) == pytest.approx(source.now_s - 1000.0, abs=0.02)
    assert abs(clock.drift_ppm) < 60


def test_a_stream_stamps_its_scores_by_the_clock(tmp_path):
    source = Source(1000)
    stream = Detector.load(write_stream_file(tmp_path / "stream.onnx")).stream(clock=source)
    last = None
    for _ in range(3000):
        source.wait()
        last = (stream.feed(np.zeros(1600, np.float32)) or [last])[-1]
    assert stream.drift_ppm == pytest.approx(1000, abs=10)
    assert stream.duration_s == pytest.approx(300)
    assert last.end_s == pytest.approx(300 / 1.001, abs=0.1)
    assert stream.speech_s == pytest.approx(299.96, abs=0.05)
    stream.reset()
    assert stream.drift_ppm is None
    assert stream.duration_s == 0
