"""Streams over a WebSocket: the same scores as the detector alone gives, whatever the chunks."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import numpy as np
import pytest
import soundfile
from live_server import RATE, LiveServer, live_server
from small_graphs import UTTERANCE_CARD, write_stream_file, write_utterance_file

from deploy.detector_card import WHOLE_FILE
from deploy.server.client import StreamRequest, in_words, stream_file
from deploy.stream.aggregation import Exponential, Sliding
from deploy.stream.detector import Detector
from deploy.stream.voice_activity import VoiceActivity

WAVE = np.random.default_rng(0).normal(0.05, 0.1, RATE * 3 + 777).astype(np.float32)


@pytest.fixture(scope="module", params=["stream", "utterance"])
def detector(request, tmp_path_factory) -> Detector:
    write = write_stream_file if request.param == "stream" else write_utterance_file
    return Detector.load(write(tmp_path_factory.mktemp("server") / "detector.onnx"))


@pytest.fixture(scope="module")
def server(detector):
    with live_server(detector) as server:
        yield server


def converse(server: LiveServer, cuts: list[int], wave=WAVE, **start):
    """Results of a whole stream, and its verdict."""
    with server.stream(**start) as client:
        for first, end in zip([0, *cuts], [*cuts, len(wave)], strict=True):
            client.feed(wave[first:end])
        *messages, verdict = client.end()
    return [result for message in messages for result in message["results"]], verdict


@pytest.mark.parametrize("cuts", [[], [1, 2, 3, 700, 701, 20_000], [*range(1600, len(WAVE), 1600)], [0, 0, 5000]])
def test_scores_are_the_detectors_in_any_chunking(server, detector, cuts):
    stream = detector.stream()
    expected = stream.feed(WAVE) + stream.finish()
    results, verdict = converse(server, cuts)
    assert len(results) == len(expected) > 0
    for result, score in zip(results, expected, strict=True):
        assert result == pytest.approx(score._asdict(), abs=1e-6)
    assert verdict["score"] == pytest.approx(detector.score(WAVE, RATE).score, abs=1e-6)
    assert verdict["label"] == detector.score(WAVE, RATE).label
    assert verdict["duration_s"] == pytest.approx(len(WAVE) / RATE)


def test_a_model_that_needs_whole_files_takes_no_stream(tmp_path):
    card = replace(UTTERANCE_CARD, context_frames=WHOLE_FILE)
    detector = Detector.load(write_utterance_file(tmp_path / "whole.onnx", card))
    with live_server(detector) as server, server.connect() as client:
        client.say({"type": "start", "sample_rate": RATE, "format": "f32le"})
        assert "features.cmvn" in client.hear()["remedy"]


def test_16_bits_and_another_rate(server, detector):
    wave = (WAVE * 2**15).astype("<i2")
    _, verdict = converse(server, [333, 9999], wave, format="s16le", sample_rate=44_100)
    assert verdict["score"] == pytest.approx(detector.score(wave, 44_100).score, abs=1e-5)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({"kind": "sliding", "window_s": 1.0}, Sliding(1.0)),
        ({"kind": "exponential", "half_life_s": 0.5}, Exponential(0.5)),
    ],
)
def test_aggregations(server, detector, asked, meant):
    stream = detector.stream(aggregation=meant)
    *_, last = stream.feed(WAVE) + stream.finish()
    results, verdict = converse(server, [2000], aggregation=asked)
    assert results[-1]["running_score"] == verdict["score"] == pytest.approx(last.running_score, abs=1e-6)
    lowest = None if stream.lowest is None else pytest.approx(stream.lowest._asdict(), abs=1e-6)
    assert verdict["lowest"] == lowest


def test_what_is_no_speech_is_left_out(server, detector):
    wave = np.concatenate([np.zeros(RATE, np.float32), WAVE])
    stream = detector.stream(voice_activity=VoiceActivity(), warm_up_s=1.5)
    expected = stream.feed(wave) + stream.finish()
    results, verdict = converse(server, [5000], wave, voice_activity=True, warm_up_s=1.5)
    for name in ("is_speech", "label"):
        assert [result[name] for result in results] == [getattr(score, name) for score in expected]
    assert verdict["score"] == pytest.approx(stream.running_score, abs=1e-6)


def test_nothing_but_silence_has_no_verdict(server):
    _, verdict = converse(server, [5000], np.zeros(RATE * 2, np.float32), voice_activity=True)
    assert (verdict["label"], verdict["score"]) == (None, None)


def test_ready_tells_what_a_client_needs(server, detector):
    with server.connect() as client:
        client.say({"type": "start", "sample_rate": RATE})
        ready = client.hear()
    assert ready["type"] == "ready"
    assert ready["sample_rate"] == RATE
    assert ready["threshold"] == detector.threshold
    assert ready["version"] == "3"


def test_scores_name_the_chunk_that_completed_them(server):
    with server.stream() as client:
        for _ in range(3):
            client.feed(WAVE[:RATE])
        messages = client.end()
    chunks = [message["chunk"] for message in messages if message["type"] == "scores"]
    assert chunks == sorted(chunks)
    assert chunks[-1] == 3


def test_streams_do_not_mix(server, detector):
    waves = [np.random.default_rng(seed).normal(0.05 * seed, 0.1, RATE).astype(np.float32) for seed in range(16)]
    with ThreadPoolExecutor(len(waves)) as pool:
        verdicts = list(pool.map(lambda wave: converse(server, [*range(800, RATE, 800)], wave)[1], waves))
    expected = [detector.score(wave, RATE).score for wave in waves]
    assert [verdict["score"] for verdict in verdicts] == pytest.approx(expected, abs=1e-6)


def test_a_stream_too_short_for_a_verdict(server):
    with server.stream() as client:
        client.feed(WAVE[:100])
        client.say({"type": "end"})
        error, code = client.refusal()
    assert error["reason"] == "audio"
    assert "long enough" in error["rule"]
    assert code == 1007


async def _messages(request: StreamRequest):
    return [message async for message in stream_file(request)]


@pytest.mark.parametrize("real_time", [False, True])
def test_the_example_client(server, detector, tmp_path, real_time):
    path = tmp_path / "speech.wav"
    soundfile.write(path, WAVE[:RATE], RATE, subtype="PCM_16")
    request = StreamRequest(path, f"ws://{server.address}/v1/stream", chunk_s=0.2, real_time=real_time)
    messages = asyncio.run(_messages(request))
    assert messages[0]["type"] == "ready"
    assert messages[-1]["score"] == pytest.approx(detector.score_file(path).score, abs=1e-6)
    assert in_words(messages[-1]).startswith("verdict on 1.00 s")
    assert all(in_words(message) for message in messages)


def test_the_example_client_tells_at_once_of_a_file_that_is_not_there(server, tmp_path):
    request = StreamRequest(tmp_path / "gone.flac", f"ws://{server.address}/v1/stream")
    with pytest.raises(soundfile.LibsndfileError, match="gone"):
        asyncio.run(_messages(request))


def test_a_file_sent_whole_gives_the_verdict_of_detect(server, detector, sample_root):
    path = min((sample_root / "ASVspoof2019_LA_dev" / "flac").glob("*.flac"))
    answer = server.post(path.read_bytes(), "?windows=true").json()
    expected = asdict(detector.score_file(path))
    assert answer["score"] == pytest.approx(expected["score"], abs=1e-6)
    assert answer["windows"] == [pytest.approx(window, abs=1e-6) for window in expected["windows"]]
    assert (answer["label"], answer["threshold"]) == (expected["label"], expected["threshold"])
