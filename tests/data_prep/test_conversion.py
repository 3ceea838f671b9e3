"""Conversion to FLAC: exact where the source is, resumable, and every failure on record."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from filelock import FileLock, Timeout
from miniature import mp3, similarity, speech

from cluster.errors import SpoofsweepError
from data_prep.conversion import convert_files, find_audio, to_flac
from data_prep.conversion_ledger import LEDGER, Ledger, LedgerEntry
from data_prep.decoding import DecodeError

Write = Callable[..., Path]


def run(source: Path, output: Path, workers: int = 2) -> dict[str, LedgerEntry]:
    outcomes = convert_files(find_audio(source), source, output, workers)
    return {outcome.entry.source: outcome.entry for outcome in outcomes}


def facts(entries: dict[str, LedgerEntry]) -> dict[str, dict[str, object]]:
    """Without the times of change."""
    return {name: entry.model_dump(exclude={"mtime_ns", "output_mtime_ns"}) for name, entry in entries.items()}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder of two MP3s, a stereo WAV, a good FLAC, a text file named MP3 and a truncated FLAC."""
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    mp3(source / "a.mp3", speech(seed=1))
    mp3(source / "deep" / "b.MP3", speech(seed=2))
    soundfile.write(source / "stereo.wav", np.stack([speech(1.0, 44100)] * 2, axis=1), 44100)
    soundfile.write(source / "good.flac", speech(), 16000)
    soundfile.write(source / "cut.flac", speech(), 16000)
    (source / "cut.flac").write_bytes((source / "cut.flac").read_bytes()[:12000])
    (source / "text.mp3").write_text("no audio")
    (source / "notes.txt").write_text("passed over")
    return source


def test_everything_readable_becomes_16k_mono_flac(mixed: Path, tmp_path: Path) -> None:
    entries = run(mixed, tmp_path / "out")
    made = {entry.target for entry in entries.values() if not entry.reason}
    assert made == {"a.flac", "deep/b.flac", "stereo.flac", "good.flac"}
    for target in made:
        info = soundfile.info(tmp_path / "out" / target)
        assert (info.format, info.samplerate, info.channels, info.subtype) == ("FLAC", 16000, 1, "PCM_16")
        assert info.duration == pytest.approx(1.0, abs=0.08)


def test_failures_are_on_record(mixed: Path, tmp_path: Path) -> None:
    entries = run(mixed, tmp_path / "out")
    failed = {name: entry.reason for name, entry in entries.items() if entry.reason}
    assert failed.keys() == {"cut.flac", "text.mp3"}
    assert "not readable" in failed["text.mp3"]
    recorded = [json.loads(line) for line in (tmp_path / "out" / LEDGER).read_text().splitlines()]
    assert {line["source"]: line["reason"] for line in recorded if line["reason"]} == failed
    assert len(recorded) == 6


def test_mp3_keeps_what_is_said(mixed: Path, tmp_path: Path) -> None:
    run(mixed, tmp_path / "out")
    wave, _ = soundfile.read(tmp_path / "out" / "a.flac", dtype="float32")
    spectra = [np.abs(np.fft.rfft(one[:15000])) for one in (wave, speech(seed=1))]
    assert similarity(*spectra) > 0.98


def test_good_flac_is_copied_byte_for_byte(mixed: Path) -> None:
    assert to_flac(mixed / "good.flac") == (mixed / "good.flac").read_bytes()


def test_second_run_converts_nothing_again(mixed: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = run(mixed, output)
    times = {path: path.stat().st_mtime_ns for path in output.rglob("*.flac")}
    outcomes = list(convert_files(find_audio(mixed), mixed, output, 2))
    assert {outcome.entry.source: outcome.entry for outcome in outcomes} == first
    assert {outcome.entry.source for outcome in outcomes if not outcome.known} == {"cut.flac", "text.mp3"}
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.flac")} == times


def test_second_run_reads_no_audio(mixed: Path, tmp_path: Path) -> None:
    """Content that changed behind an unchanged size and time of change shows that it was not read."""
    output = tmp_path / "out"
    first = run(mixed, output)
    for path in (mixed / "a.mp3", output / "stereo.flac"):
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        path.write_bytes(bytes(path.stat().st_size))
        os.utime(path, ns=times)
    assert run(mixed, output) == first


def test_touched_but_unchanged_files_are_not_converted_again(mixed: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = run(mixed, output)
    for path in (mixed / "a.mp3", output / "stereo.flac"):
        os.utime(path, ns=(0, 0))
    outcomes = {outcome.entry.source: outcome for outcome in convert_files(find_audio(mixed), mixed, output, 1)}
    assert outcomes["a.mp3"].known
    assert outcomes["stereo.wav"].known
    assert facts({name: outcome.entry for name, outcome in outcomes.items()}) == facts(first)
    assert Ledger.open(output).entries["a.mp3"].mtime_ns == 0


def test_changed_source_and_damaged_target_are_made_again(mixed: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = run(mixed, output)
    mp3(mixed / "a.mp3", speech(seed=7))
    (output / "stereo.flac").write_bytes(b"damaged")
    second = run(mixed, output)
    assert second["a.mp3"].output_sha256 != first["a.mp3"].output_sha256
    assert facts(second)["stereo.wav"] == facts(first)["stereo.wav"]
    assert soundfile.info(output / "stereo.flac").duration == pytest.approx(1.0)


def test_goes_on_after_a_kill_in_the_middle_of_a_ledger_line(mixed: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    complete = run(mixed, output)
    ledger = (output / LEDGER).read_text()
    (output / LEDGER).write_text(ledger[: len(ledger) // 2])
    assert facts(run(mixed, output)) == facts(complete)
    assert facts(Ledger.open(output).entries) == facts(complete)


def test_number_of_workers_does_not_change_the_ledger(mixed: Path, tmp_path: Path) -> None:
    run(mixed, tmp_path / "one", workers=1)
    run(mixed, tmp_path / "four", workers=4)
    one, four = (Ledger.open(tmp_path / output).entries for output in ("one", "four"))
    assert list(facts(one).items()) == list(facts(four).items())


def test_sources_that_differ_in_suffix_alone_do_not_overwrite_each_other(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    soundfile.write(source / "a.wav", speech(seed=1), 16000)
    soundfile.write(source / "a.flac", speech(seed=2), 16000)
    assert {entry.target for entry in run(source, tmp_path / "out").values()} == {"a.wav.flac", "a.flac.flac"}


def test_no_two_sources_have_one_target(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    names = ("a.wav", "a.flac", "a.flac.wav", "b.mp3")
    for name in names:
        soundfile.write(source / name, speech(0.1), 16000)
    targets = {entry.source: entry.target for entry in run(source, tmp_path / "out").values()}
    assert targets == {name: f"{name}.flac" for name in names[:3]} | {"b.mp3": "b.flac"}


def made_in(output: Path) -> set[str]:
    return {path.name for path in output.rglob("*.flac")}


def test_no_target_outlives_its_place(tmp_path: Path) -> None:
    """A source that cannot be read any more leaves none; one whose target moves leaves none where it was."""
    source, output = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(source / name, speech(0.1), 16000)
    run(source, output)
    assert made_in(output) == {"a.flac", "b.flac"}
    soundfile.write(source / "a.flac", speech(0.2), 16000)
    (source / "b.wav").write_text("no audio any more")
    run(source, output)
    assert made_in(output) == {"a.wav.flac", "a.flac.flac"}
    (source / "a.wav").unlink()
    run(source, output)
    assert "a.flac" in made_in(output)


def test_targets_stay_in_the_output(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", speech(0.1), 16000)
    (tmp_path / "root").mkdir()
    with pytest.raises(SpoofsweepError, match=r"must stay in the folder; got .*/root/\.\./a\.wav"):
        list(convert_files([tmp_path / "root" / ".." / "a.wav"], tmp_path / "root", tmp_path / "out" / "deep", 1))
    assert not (tmp_path / "out").exists()


def test_one_run_waits_for_another(mixed: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = convert_files(find_audio(mixed), mixed, output, 1)
    next(first)
    with pytest.raises(Timeout), FileLock(output / ".lock", timeout=0):
        pass
    list(first)
    with FileLock(output / ".lock", timeout=0):
        pass


def test_empty_stream_and_nan_are_refused(audio_file: Write) -> None:
    with pytest.raises(DecodeError, match="no samples"):
        to_flac(audio_file("a.wav", np.zeros(0, np.float32)))
    with pytest.raises(DecodeError, match="not finite: 1 of 2"):
        to_flac(audio_file("b.wav", np.array([np.nan, 0.5], np.float32), subtype="FLOAT"))


def test_truncated_mp3_is_refused(tmp_path: Path) -> None:
    path = mp3(tmp_path / "a.mp3", speech(4.0))
    path.write_bytes(path.read_bytes()[:8000])
    with pytest.raises(DecodeError, match="truncated"):
        to_flac(path)


def test_folder_without_audio(tmp_path: Path) -> None:
    with pytest.raises(SpoofsweepError, match=r"must hold audio.*; name the folder"):
        find_audio(tmp_path)
    with pytest.raises(SpoofsweepError, match=r"file or folder to convert must exist.*; correct"):
        find_audio(tmp_path / "nowhere")


def test_collected_mp3s(shared_folder: Path, tmp_path: Path) -> None:
    source = shared_folder / "corpus" / "mp3"
    entries = run(source, tmp_path / "out")
    assert len(entries) == 30
    assert not any(entry.reason for entry in entries.values())
    for entry in entries.values():
        # libsndfile's own decoder as the judge of the length
        native = soundfile.info(source / entry.source).duration
        assert soundfile.info(tmp_path / "out" / entry.target).duration == pytest.approx(native, abs=0.15)
