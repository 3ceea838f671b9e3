"""`detect` on exported files, raw samples and microphones, as a user runs it; and without the heavy packages."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_graphs import STREAM_CARD, UTTERANCE_CARD, stream_scores, write_stream_file, write_utterance_file
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from deploy.cli import app
from deploy.detector_card import WHOLE_FILE
from deploy.stream.live_options import SampleFormat
from deploy.stream.live_sources import microphone_blocks, pcm_blocks

REPOSITORY = Path(__file__).resolve().parents[3]
WAVE = (np.random.default_rng(3).normal(0.02, 0.1, 16000 * 3 + 500) * 32767).clip(-32767, 32767).astype(np.int16)
PROGRAM = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in "torch ray mlflow pandas optuna pyarrow scipy onnx sklearn".split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from search.cli import main
main()
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder as `export` leaves it, with both forms, told apart by their thresholds."""
    folder = tmp_path_factory.mktemp("exported")
    write_stream_file(folder / "stream.onnx", replace(STREAM_CARD, threshold=-1.0))
    write_utterance_file(folder / "utterance.onnx", replace(UTTERANCE_CARD, threshold=-2.0))
    return folder


@pytest.fixture
def wave_file(tmp_path):
    soundfile.write(tmp_path / "wave.wav", WAVE, 16000)
    return tmp_path / "wave.wav"


def detect(*arguments, pcm=None):
    return CliRunner().invoke(app, ["detect", *map(str, arguments)], input=pcm)


def program(*arguments, **kwargs):
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)


def lines_and_verdict(stdout):
    *lines, last = [json.loads(line) for line in stdout.splitlines()]
    return lines, last["verdict"]


def test_files_by_either_form_of_an_exported_detector(exported, wave_file):
    rows = {}
    for model in ("stream.onnx", "utterance.onnx", "."):
        result = detect(wave_file, "--model", exported / model, "--json")
        assert result.exit_code == 0
        (rows[model],) = json.loads(result.stdout)
    assert rows["stream.onnx"]["score"] == pytest.approx(stream_scores(WAVE / 32768).mean(), abs=1e-6)
    assert rows["stream.onnx"]["threshold"] == -1.0
    assert rows["."] == rows["utterance.onnx"]
    assert detect(wave_file, "--model", exported / "gone.onnx").exception.rule == "an exported detector is an ONNX file"


def test_raw_samples_are_scored_as_they_come(exported, wave_file):
    result = detect("-", "--model", exported, "--json", pcm=WAVE.tobytes())
    assert result.exit_code == 0
    lines, verdict = lines_and_verdict(result.stdout)
    assert [line["end_s"] for line in lines] == pytest.approx([1.0, 2.0, 3.0])
    expected = stream_scores(WAVE / 32768)
    assert [line["running_score"] for line in lines] == pytest.approx(
        [expected[:25].mean(), expected[:50].mean(), expected[:75].mean()], abs=1e-6
    )
    assert verdict["threshold"] == -1.0
    assert verdict["label"] == "bonafide"
    assert verdict["duration_s"] == pytest.approx(len(WAVE) / 16000)
    (row,) = json.loads(detect(wave_file, "--model", exported / "stream.onnx", "--json").stdout)
    assert verdict["score"] == pytest.approx(row["score"], abs=1e-7)


def test_formats_and_rates_of_raw_samples(exported):
    floats = (WAVE / 32768).astype("<f4").tobytes()
    arguments = ["-", "--model", exported, "--json", "--every", "0"]
    as_floats = detect(*arguments, "--format", "f32le", pcm=floats).stdout
    assert as_floats == detect(*arguments, "--sample-rate", "16000", pcm=WAVE.tobytes()).stdout
    assert len(as_floats.splitlines()) == len(stream_scores(WAVE)) + 1
    _, half = lines_and_verdict(detect(*arguments, "--sample-rate", "8000", pcm=WAVE.tobytes()).stdout)
    assert half["duration_s"] == pytest.approx(len(WAVE) / 8000)


def test_text_tells_the_worst_stretch(exported):
    spoofed = np.concatenate([WAVE, -WAVE, WAVE]).tobytes()
    result = detect("-", "--model", exported, "--sliding", "1", "--threshold", "0", pcm=spoofed)
    assert result.exit_code == 0
    *lines, verdict = result.stdout.splitlines()
    assert [line.split()[2] for line in lines] == ["bonafide"] * 3 + ["spoof"] * 3 + ["bonafide"] * 3
    assert verdict.startswith("bonafide: score +")
    assert "; lowest -" in verdict
    assert "warm" not in verdict


def test_silence_has_no_verdict(exported):
    result = detect("-", "--model", exported, "--speech-only", pcm=bytes(16000 * 2 * 3))
    assert result.exit_code == 1
    *lines, last = result.stdout.splitlines()
    assert len(lines) == 2
    assert all("no speech" in line for line in lines)
    assert last.startswith("no verdict")
    empty = detect("-", "--model", exported, pcm=b"")
    assert (empty.exit_code, empty.stdout.split(":")[0]) == (1, "no verdict")


def test_speech_too_short_for_a_verdict_is_not_called_silence(exported):
    result = detect("-", "--model", exported, "--warm-up", "10", pcm=WAVE.tobytes())
    assert result.exit_code == 1
    assert "no speech" not in result.stdout
    assert "listening" in result.stdout
    assert "no verdict: score +" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["FILE", "--speech-only"], "go with - or --microphone"),
        (["-", "FILE"], "must exist"),
        (["-", "--csv", "x.csv"], "without --windows and --csv"),
        (["-", "--microphone"], "live audio goes alone"),
        (["-", "--half-life", "1", "--sliding", "1"], "aggregated in one way"),
        (["-", "--sliding", "0"], "positive number of seconds"),
        (["-", "--sample-rate", "10"], "sampling rate"),
        (["-", "--sample-rate", "0"], "sampling rate"),
        ([], "audio to score"),
    ],
)
def test_options_that_do_not_go_together_are_refused(exported, wave_file, arguments, words):
    result = detect(*(wave_file if a == "FILE" else a for a in arguments), "--model", exported, pcm=WAVE.tobytes())
    assert isinstance(result.exception, SpoofsweepError)
    assert words in str(result.exception)


def test_what_is_no_exported_detector_cannot_listen():
    assert "spoofsweep export" in str(detect("-", "--model", "champion", pcm=b"").exception)


def test_a_model_that_normalises_over_whole_files_cannot_listen(wave_file, tmp_path):
    path = write_utterance_file(tmp_path / "whole.onnx", replace(UTTERANCE_CARD, context_frames=WHOLE_FILE))
    assert "give that, or train with" in str(detect("-", "--model", path, pcm=WAVE.tobytes()).exception)
    assert detect(wave_file, "--model", path).exit_code == 0


class Drops(io.RawIOBase):
    """A pipe whose writer sends so many bytes at a time."""

    def __init__(self, data, sizes):
        self._data, self._sizes = data, iter(sizes)

    def readable(self):
        return True

    def readinto(self, buffer):
        count = min(next(self._sizes, len(buffer)), len(buffer))
        part, self._data = self._data[:count], self._data[count:]
        buffer[: len(part)] = part
        return len(part)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sample_format", SampleFormat)
def test_samples_are_put_together_from_any_pieces(seed, sample_format):
    wave = WAVE[:20000] if sample_format is SampleFormat.S16LE else (WAVE[:20000] / 32768).astype(np.float32)
    sizes = np.random.default_rng(seed).integers(1, 2000, 50).tolist()
    source = io.BufferedReader(Drops(wave.tobytes() + b"\x01", sizes))
    blocks = list(pcm_blocks(source, 16000, sample_format))
    np.testing.assert_array_equal(np.concatenate(blocks), wave)
    assert len(blocks) > 20
    assert {block.dtype for block in blocks} == {wave.dtype}


@pytest.mark.parametrize("header", [b"RIFF", b"fLaC", b"OggS"])
def test_files_with_headers_are_no_raw_samples(header):
    with pytest.raises(SpoofsweepError, match=r"ffmpeg -i FILE -f s16le"):
        next(pcm_blocks(io.BufferedReader(io.BytesIO(header + bytes(100))), 16000, SampleFormat.S16LE))


def test_a_microphone_without_its_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(SpoofsweepError, match=r"spoofsweep\[microphone\]"):
        next(microphone_blocks(16000))


def test_detect_runs_where_nothing_heavy_is_installed(exported, wave_file):
    (row,) = json.loads(program("detect", wave_file, "--model", exported, "--json").communicate()[0])
    assert row["error"] is None
    live = program("detect", "-", "--model", exported, "--json", stdin=subprocess.PIPE)
    _, verdict = lines_and_verdict(live.communicate(WAVE.tobytes())[0])
    assert verdict["label"] == "bonafide"


@pytest.mark.parametrize("arguments", [["check", "demo"], ["detect", "FILE"], ["score", "FILE"]])
def test_other_commands_say_what_to_install(wave_file, arguments):
    asked = program(*(wave_file if argument == "FILE" else argument for argument in arguments))
    assert "pip install 'spoofsweep[sweep]'" in asked.communicate()[1].decode()
    assert asked.returncode == 2


def test_ctrl_c_ends_with_the_verdict(exported):
    live = program("detect", "-", "--model", exported, "--json", stdin=subprocess.PIPE)
    live.stdin.write(WAVE.tobytes())
    live.stdin.flush()
    heard = live.stdout.readline()
    live.send_signal(signal.SIGINT)
    stdout, stderr = live.communicate(timeout=60)
    assert live.returncode == 0
    assert stderr == b""
    _, verdict = lines_and_verdict(heard + stdout)
    assert verdict["label"] == "bonafide"
    assert verdict["duration_s"] >= 1.0


def test_a_reader_that_leaves_ends_it_quietly(exported):
    with program("detect", "-", "--model", exported, "--every", "0", stdin=subprocess.PIPE) as live:
        live.stdin.write(WAVE.tobytes())
        live.stdin.flush()
        live.stdout.readline()
        live.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # it may be gone before all is written
            for _ in range(20):
                live.stdin.write(WAVE.tobytes())
        with contextlib.suppress(BrokenPipeError):
            live.stdin.close()
        assert live.stderr.read() == b""
        assert live.wait(timeout=60) == 0
