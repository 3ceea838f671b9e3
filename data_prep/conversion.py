"""Any audio to 16 kHz mono 16-bit FLAC, in parallel, resumable, with every failure on record.

MP3 and other compressed formats are decoded by ffmpeg through pydub; uncompressed ones and FLAC by libsndfile, which
notices damage where ffmpeg passes over it. Array names carry shapes: T samples, C channels.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import soundfile
import soxr

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write_bytes
from data_prep.audio_files import AUDIO_SUFFIXES, audio_files_below
from data_prep.conversion_ledger import Ledger, LedgerEntry
from data_prep.decoding import DecodeError, Wave, decode_or_refuse, mix_down, promised_length, read_channels
from data_prep.ffmpeg import load_pydub

SAMPLE_RATE = 16000
"""Hz, of everything that conversion makes."""
_EXACT_FORMATS = {"FLAC", "WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF"}
"""What libsndfile decodes sample by sample, and checks."""
_SLACK_S = 0.1
"""Decoders differ by a few frames at the ends of compressed files."""


def find_audio(source: Path) -> list[Path]:
    """Audio files (by suffix) in ``source`` and below, sorted; links to folders are followed.

    Raises:
        SpoofsweepError: there is no such folder, or no audio in it.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise SpoofsweepError("the folder to convert must exist", source)
    audio = audio_files_below(source)
    if not audio:
        raise SpoofsweepError(
            "the folder to convert must hold audio", f"{source} without any of {', '.join(AUDIO_SUFFIXES)}"
        )
    return audio


def convert_files(sources: Sequence[Path], root: Path, output: Path, workers: int) -> Iterator[LedgerEntry]:
    """Convert ``sources`` (below ``root``) into the same tree below ``output``; yield outcomes as they come.

    Outcomes go to ``output/ledger.jsonl`` at once. A source whose SHA-256 stands there, with a target that still has
    the recorded SHA-256, is not converted again; failures are tried again.

    Raises:
        SpoofsweepError: the disk is full, or no ffmpeg is at hand.
    """
    load_pydub()  # fails here, once, rather than in every worker
    targets = _targets(sources, root)
    with Ledger.open(output) as ledger, ThreadPoolExecutor(workers) as pool:
        # Threads suffice: ffmpeg is a process of its own, and libsndfile and soxr release the interpreter lock.
        waiting = iter(sources)
        running: set[Future[LedgerEntry]] = set()
        try:
            while True:
                while len(running) < 2 * workers and (source := next(waiting, None)) is not None:
                    known = ledger.entries.get(str(source.relative_to(root)))
                    running.add(pool.submit(_outcome, source, root, output, targets[source], known))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    ledger.add(future.result())
                    yield future.result()
        finally:
            for future in running:
                future.cancel()


def _targets(sources: Sequence[Path], root: Path) -> dict[Path, str]:
    """Relative target of each source: under ``.flac``; where sources differ in suffix alone, ``.flac`` is added."""
    plain = {source: source.relative_to(root).with_suffix(".flac").as_posix() for source in sources}
    claims: dict[str, int] = {}
    for target in plain.values():
        claims[target] = claims.get(target, 0) + 1
    return {s: t if claims[t] == 1 else s.relative_to(root).as_posix() + ".flac" for s, t in plain.items()}


def _outcome(source: Path, root: Path, output: Path, target: str, known: LedgerEntry | None) -> LedgerEntry:
    name = str(source.relative_to(root))
    try:
        data = source.read_bytes()
    except FileNotFoundError:
        return LedgerEntry(source=name, size=-1, sha256="", reason="file missing")
    sha256 = hashlib.sha256(data).hexdigest()
    if known is not None and known.output_sha256 and (known.sha256, known.target) == (sha256, target):
        made = output / target
        if made.is_file() and hashlib.sha256(made.read_bytes()).hexdigest() == known.output_sha256:
            return known
    try:
        flac = to_flac(source)
    except DecodeError as error:
        return LedgerEntry(source=name, size=len(data), sha256=sha256, reason=error.reason)
    atomic_write_bytes(output / target, flac)
    output_sha256 = hashlib.sha256(flac).hexdigest()
    return LedgerEntry(source=name, size=len(data), sha256=sha256, target=target, output_sha256=output_sha256)


def to_flac(source: Path) -> bytes:
    """The audio of ``source`` as a 16 kHz mono 16-bit FLAC file; one that is already like that is returned as it is.

    Full scale is kept, and what exceeds it (floating-point files) is scaled to it. No dither: the same source gives the
    same bytes.

    Raises:
        DecodeError: empty, damaged, not audio, or not finite.
    """
    wave_CT, rate = _decode(source)
    wave_T = mix_down(wave_CT, [])
    if len(wave_T) == 0:
        raise DecodeError("no samples")
    if not np.isfinite(wave_T).all():
        raise DecodeError(
            f"not finite: {np.count_nonzero(~np.isfinite(wave_T))} of {len(wave_T)} samples are NaN or infinite"
        )
    if _is_flac_16k_mono(source):
        return source.read_bytes()
    if rate != SAMPLE_RATE:
        wave_T = np.asarray(soxr.resample(wave_T, rate, SAMPLE_RATE, quality="HQ"), dtype=np.float32)
    if len(wave_T) == 0:
        raise DecodeError(f"too short: nothing left at {SAMPLE_RATE} Hz")
    wave_T = wave_T / np.float32(max(1.0, float(np.abs(wave_T).max())))
    buffer = io.BytesIO()
    soundfile.write(buffer, wave_T, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def is_flac(path: Path) -> bool:
    """Whether the content, whatever the name, is FLAC."""
    with path.open("rb") as file:
        return file.read(4) == b"fLaC"


def _is_flac_16k_mono(path: Path) -> bool:
    if not is_flac(path):
        return False
    info = soundfile.info(path)
    return bool((info.samplerate, info.channels, info.subtype) == (SAMPLE_RATE, 1, "PCM_16"))


def _decode(source: Path) -> tuple[Wave, int]:
    """Samples ``[C, T]`` and their rate; DecodeError where they are damaged or fewer than the file promises."""
    if source.stat().st_size == 0:
        raise DecodeError("empty file (0 bytes)")
    promised = None
    try:
        with soundfile.SoundFile(source) as file:
            if file.format in _EXACT_FORMATS:
                return read_channels(source)
            promised, rate = promised_length(file, source), file.samplerate
    except soundfile.LibsndfileError:
        if is_flac(source):
            return read_channels(source)  # damaged in its header, which libsndfile words best
    wave_CT, native_rate = decode_or_refuse(source)
    if promised is not None and wave_CT.shape[1] / native_rate < promised / rate - _SLACK_S:
        raise DecodeError(f"truncated: {wave_CT.shape[1] / native_rate:.2f} of {promised / rate:.2f} s")
    return wave_CT, native_rate


def reasons(entries: Mapping[str, LedgerEntry]) -> dict[str, str]:
    """Failed sources and why."""
    return {name: entry.reason for name, entry in entries.items() if entry.reason}
