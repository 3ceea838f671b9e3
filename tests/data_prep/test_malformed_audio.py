"""Malformed inputs: each is refused with a reason or decoded to a sound wave; none hangs, none fills the memory."""

import io
import os
import socket
import tempfile
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import malformed
import numpy as np
import pytest
import soundfile
from miniature import make_la, prep_config, speech, train_file
from rich.console import Console

from data_prep import audio_stream
from data_prep.config import AugmentationConfig
from data_prep.conversion import convert_files, find_audio, to_flac
from data_prep.conversion_ledger import Ledger
from data_prep.decode_error import DecodeError
from data_prep.decoding import decode, read_audio
from data_prep.prepare import prepare

pytestmark = pytest.mark.timeout(60)
Read = Callable[[Path], np.ndarray]


@pytest.fixture(scope="module")
def sound() -> dict[str, bytes]:
    return malformed.sounds()


def direct(path: Path) -> np.ndarray:
    return read_audio(path, 16000, max_duration_s=60.0).wave


def through_conversion(path: Path) -> np.ndarray:
    return soundfile.read(io.BytesIO(to_flac(path)), dtype="float32")[0]


def outcome(path: Path, read: Read) -> str:
    """The reason for which ``path`` is refused, or ``ok``; anything but DecodeError and a sound wave fails."""
    try:
        wave_T = read(path)
    except DecodeError as error:
        reason = error.reason
    else:
        return accept(wave_T)
    assert reason
    assert str(path.parent) not in reason
    return reason


def accept(wave_T: np.ndarray) -> str:
    assert wave_T.dtype == np.float32
    assert np.isfinite(wave_T).all()
    assert 0 < len(wave_T) <= 60 * 16000
    assert np.abs(wave_T).max() < 2
    return "ok"


def outcomes(folder: Path, cases: Iterable[tuple[str, bytes]], read: Read = direct) -> dict[str, str]:
    found = {}
    for name, content in cases:
        (folder / name).write_bytes(content)
        found[name] = outcome(folder / name, read)
    return found


def accepted(found: dict[str, str]) -> set[str]:
    return {name for name, reason in found.items() if reason == "ok"}


def test_cut_at_every_header_field(sound: dict[str, bytes], tmp_path: Path) -> None:
    found = outcomes(tmp_path, malformed.cut(sound))
    assert len(found) == 50
    assert accepted(found) == set()


@pytest.mark.slow
def test_cut_at_every_header_field_then_converted(sound: dict[str, bytes], tmp_path: Path) -> None:
    """Slow: ffmpeg is started for each MP3."""
    assert accepted(outcomes(tmp_path, malformed.cut(sound), through_conversion)) == set()


def test_wrong_fields(sound: dict[str, bytes], tmp_path: Path) -> None:
    """What does not change a sample, or says how many bytes follow where the file's end says it too, is passed over."""
    found = outcomes(tmp_path, malformed.with_wrong_fields(sound))
    assert len(found) == 50
    good = accepted(found)
    harmless = {f"RIFF size {value}.wav" for value in malformed.U32} | {
        f"block align {value}.wav" for value in (0, 7, 255, 0xFFFF)
    }
    assert harmless <= good
    # No decoder can tell these from files that were meant so: seven channels, mu-law, 7 bits, 24 bits, a sample less.
    undetectable = {"format tag 7.wav", "channels 7.wav", "bits 7.wav", "bits 24.flac", "samples 15999.flac"}
    assert good - harmless <= undetectable | {"data size 4294967295.wav"}
    for name in ("sampling rate 1.wav", "sampling rate 655350.flac", "channels 255.wav"):
        assert found[name].startswith("not plausible: "), name


def test_wav_written_to_a_pipe(sound: dict[str, bytes], tmp_path: Path) -> None:
    """ffmpeg writes the largest number as its size."""
    (tmp_path / "a.wav").write_bytes(sound["wav"][:40] + b"\xff" * 4 + sound["wav"][44:])
    np.testing.assert_allclose(decode(tmp_path / "a.wav", 16000), speech(), atol=1 / 32768)


def test_other_files_named_flac(tmp_path: Path) -> None:
    for read in (direct, through_conversion):
        found = outcomes(tmp_path, malformed.of_other_kinds(), read)
        assert len(found) == 20
        assert accepted(found) == set(), read


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes(sound: dict[str, bytes], tmp_path: Path, seed: int) -> None:
    found = outcomes(tmp_path, malformed.with_flipped_bytes(sound, 50, seed))
    flac = [reason for name, reason in found.items() if name.endswith(".flac")]
    assert sum(reason != "ok" for reason in flac) > 0.7 * len(flac)


@pytest.mark.slow
def test_flipped_bytes_then_converted(sound: dict[str, bytes], tmp_path: Path) -> None:
    """Slow: ffmpeg is started for each MP3."""
    assert len(outcomes(tmp_path, malformed.with_flipped_bytes(sound, 20, seed=9), through_conversion)) == 60


def test_samples_that_are_not_finite(sound: dict[str, bytes], tmp_path: Path) -> None:
    for read in (direct, through_conversion):
        found = outcomes(tmp_path, malformed.with_wild_samples(sound), read)
        assert all(reason.startswith("not finite: ") for reason in found.values())
        assert len(found) == 4


def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe without a writer would block whoever opens it."""
    os.mkfifo(tmp_path / "pipe.flac")
    (tmp_path / "folder.flac").mkdir()
    (tmp_path / "device.flac").symlink_to("/dev/zero")
    (tmp_path / "loop.flac").symlink_to("loop.flac")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.flac"))
        for read in (direct, through_conversion):
            assert outcome(tmp_path / "pipe.flac", read) == "not a file but a pipe"
            assert outcome(tmp_path / "folder.flac", read) == "not a file but a folder"
            assert outcome(tmp_path / "device.flac", read) == "not a file but a device"
            assert outcome(tmp_path / "socket.flac", read) == "not a file but a socket"
            assert outcome(tmp_path / "loop.flac", read) == "not readable: Too many levels of symbolic links"
            assert outcome(tmp_path / f"{'a' * 300}.flac", read) == "not readable: File name too long"
            assert outcome(tmp_path / "folder.flac" / ".." / "pipe.flac" / "a.flac", read).startswith("not readable: ")


def test_dangling_link_is_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.flac").symlink_to("nowhere.flac")
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "a.flac", 16000)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root reads whatever it likes, so it steps down for a moment."""
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(65534)
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_unreadable_file_and_folder(sound: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir()
        for path in (folder / "a.flac", folder / "closed" / "a.flac"):
            path.write_bytes(sound["flac"])
        (folder / "a.flac").chmod(0)
        (folder / "closed").chmod(0)
        with ordinary_user():
            for read in (direct, through_conversion):
                assert outcome(folder / "a.flac", read) == "not readable: Permission denied"
                assert outcome(folder / "closed" / "a.flac", read) == "not readable: Permission denied"
        (folder / "closed").chmod(0o700)


NAMES = ["two\nlines", "tab\t", "ünïcödé 文字", "-y", "file:", "%d", "a b", "'\"", "line\u2028end", "bad\udcff\udc80"]


@pytest.mark.parametrize("suffix", ["flac", "mp3"])
def test_odd_names(sound: dict[str, bytes], tmp_path: Path, suffix: str) -> None:
    """Line ends, white space, what ffmpeg could take for options or patterns, bytes that are not UTF-8."""
    source, output = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    for name in NAMES:
        (source / f"{name}.{suffix}").write_bytes(sound[suffix])
        assert len(decode(source / f"{name}.{suffix}", 16000)) == pytest.approx(16000, abs=1200)
    made = {outcome.entry.source: outcome for outcome in convert_files(find_audio(source), source, output, 2)}
    assert {name: made[f"{name}.{suffix}"].entry.reason for name in NAMES} == dict.fromkeys(NAMES, "")
    assert Ledger.open(output).entries == {name: outcome.entry for name, outcome in made.items()}
    assert all(outcome.known for outcome in convert_files(find_audio(source), source, output, 2))


def test_conversion_goes_on_beside_what_is_no_file(sound: dict[str, bytes], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    os.mkfifo(source / "pipe.mp3")
    (source / "gone.wav").symlink_to("nowhere.wav")
    (source / "good.wav").write_bytes(sound["wav"])
    entries = [outcome.entry for outcome in convert_files(find_audio(source), source, tmp_path / "out", 2)]
    assert {entry.source: entry.reason for entry in entries} == {
        "pipe.mp3": "not a file but a pipe",
        "gone.wav": "file missing",
        "good.wav": "",
    }


@contextmanager
def memory_below(megabytes: float) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()


def test_promised_samples_are_not_allocated(sound: dict[str, bytes], tmp_path: Path) -> None:
    cases = [case for case in malformed.with_wrong_fields(sound) if "samples 68719476735" in case[0]]
    with memory_below(20):
        assert accepted(outcomes(tmp_path, cases)) == set()


@pytest.mark.slow
def test_small_file_that_unpacks_to_a_large_wave(tmp_path: Path) -> None:
    """Slow: twenty minutes are written and read. Silence takes a few bytes a second in FLAC."""
    path = tmp_path / "a.flac"
    with soundfile.SoundFile(path, "w", 48000, 2, "PCM_16") as file:
        block = np.tile(speech(10.0, 48000)[:, None], (1, 2))
        file.write(block)
        for _ in range(119):
            file.write(np.zeros_like(block))
    assert path.stat().st_size < 3e6
    unpacked_MB = 1200 * 48000 * 2 * 4 / 1e6
    with memory_below(0.3 * unpacked_MB):
        assert len(direct(path)) == 60 * 16000
    with memory_below(unpacked_MB):
        assert soundfile.info(io.BytesIO(to_flac(path))).duration == 1200


def test_too_long_is_refused(sound: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_stream, "MAX_SAMPLES", 15000)
    assert outcomes(tmp_path, [("a.flac", sound["flac"])]) == {"a.flac": "too long: more than 15000 samples"}


@pytest.mark.timeout(600)  # Ray may have to start
def test_prep_sets_each_aside_with_its_reason(sound: dict[str, bytes], tmp_path: Path, ray_session: None) -> None:
    root = make_la(tmp_path / "LA", per_class=250, seconds=0.15)
    cases = [*malformed.cut(sound), *malformed.of_other_kinds(), *malformed.with_wild_samples(sound)]
    broken = [train_file(root, 6 * number) for number in range(len(cases))]
    for path, (_, content) in zip(broken, cases, strict=True):
        path.write_bytes(content)
    pipe = train_file(root, 1)
    pipe.unlink()
    os.mkfifo(pipe)
    config = prep_config(root, utterances_per_shard=32, augmentation=AugmentationConfig())
    shard_set = prepare(config, Path(), tmp_path / "out", console=Console(file=io.StringIO()))
    reasons = {one["utterance_id"]: one["reason"] for one in shard_set.rejected}
    assert reasons.pop(pipe.stem) == "file missing"
    assert reasons == {path.stem: outcome(path, direct) for path in broken}
    assert "ok" not in reasons.values()
    assert shard_set.manifest.splits["train"].num_views == 500 - len(broken) - 1
    assert not list(shard_set.folder.rglob("*.tmp"))
    for info in shard_set.manifest.shards:
        assert (shard_set.folder / info.file).stat().st_size == info.num_bytes
