"""Any audio to 16 kHz mono 16-bit FLAC, in parallel, resumable, with every failure on record.

MP3, AAC, Opus, G.722 and the like are decoded by ffmpeg through pydub; plain samples and FLAC by libsndfile, which
notices damage where ffmpeg passes over it. Array names carry shapes: T samples, C channels.
"""

import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write_bytes
from data_prep.audio_files import AUDIO_SUFFIXES, audio_files_below
from data_prep.audio_format import FLAC_MARK, recognise
from data_prep.audio_stream import AudioStream, Wave, faults_told, open_audio, require_content
from data_prep.config import CONVERSION_RATE
from data_prep.conversion_ledger import Ledger, LedgerEntry
from data_prep.decode_error import DecodeError
from data_prep.decoding import mix_down
from data_prep.ffmpeg import load_pydub


@dataclass(frozen=True)
class Outcome:
    """What became of one source."""

    entry: LedgerEntry
    known: bool
    """Whether an earlier run had made it, so that nothing was converted now."""


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


def convert_files(sources: Sequence[Path], root: Path, output: Path, workers: int) -> Iterator[Outcome]:
    """Convert ``sources`` (below ``root``) into the same tree below ``output``; yield outcomes as they come.

    Outcomes go to ``output/ledger.jsonl`` at once. A source that the ledger has with the same size and time of change,
    or else with the same SHA-256, is not converted again if its target is unchanged too; failures are tried again.

    Raises:
        SpoofsweepError: the disk is full, no ffmpeg is at hand, or the ledger is no ledger.
        OSError: the storage fails.
    """
    load_pydub()  # fails here, once, rather than in every worker
    targets = _targets(sources, root)
    with Ledger.open(output) as ledger, ThreadPoolExecutor(workers) as pool:
        # Threads suffice: ffmpeg is a process of its own, and libsndfile and soxr release the interpreter lock.
        waiting = iter(sources)
        running: set[Future[Outcome]] = set()
        try:
            while True:
                while len(running) < 2 * workers and (source := next(waiting, None)) is not None:
                    known = ledger.entries.get(str(source.relative_to(root)))
                    running.add(pool.submit(_outcome, source, root, output, targets[source], known))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    ledger.add(future.result().entry)
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


def _outcome(source: Path, root: Path, output: Path, target: str, known: LedgerEntry | None) -> Outcome:
    entry = LedgerEntry(source=str(source.relative_to(root)), size=-1, sha256="")
    try:
        entry = _described(source, entry, known)
        if known is not None and known.target == target and known.sha256 == entry.sha256:
            output_mtime_ns = _mtime_ns_if_as_recorded(output / target, known)
            if output_mtime_ns is not None:
                stamps = {"mtime_ns": entry.mtime_ns, "output_mtime_ns": output_mtime_ns}
                return Outcome(known.model_copy(update=stamps), known=True)
        flac = to_flac(source)
    except FileNotFoundError:
        return Outcome(entry.model_copy(update={"reason": "file missing"}), known=False)
    except DecodeError as error:
        return Outcome(entry.model_copy(update={"reason": error.reason}), known=False)
    return Outcome(entry.model_copy(update={"target": target} | _written(flac, output / target)), known=False)


def _described(source: Path, entry: LedgerEntry, known: LedgerEntry | None) -> LedgerEntry:
    """``entry`` with what identifies the source, which is read unless ``known`` has its size and time of change."""
    with faults_told():
        require_content(source)
        status = source.stat()
        if known is not None and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns):
            sha256, format = known.sha256, known.format
        else:
            sha256, recognised = _sha256(source), recognise(source)
            format = recognised.name if recognised else ""
    facts = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256, "format": format}
    return entry.model_copy(update=facts)


def _mtime_ns_if_as_recorded(made: Path, known: LedgerEntry) -> int | None:
    if not made.is_file():
        return None
    status = made.stat()
    if (status.st_size, status.st_mtime_ns) != (known.output_size, known.output_mtime_ns):
        return status.st_mtime_ns if _sha256(made) == known.output_sha256 else None
    return status.st_mtime_ns


def _written(flac: bytes, made: Path) -> dict[str, object]:
    """Write a target; what the ledger tells of it."""
    atomic_write_bytes(made, flac)
    return {
        "duration_s": round(soundfile.info(io.BytesIO(flac)).duration, 4),
        "output_size": len(flac),
        "output_mtime_ns": made.stat().st_mtime_ns,
        "output_sha256": hashlib.sha256(flac).hexdigest(),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def to_flac(source: Path) -> bytes:
    """The audio of ``source`` as a 16 kHz mono 16-bit FLAC file; one that is already like that is returned as it is.

    Full scale is kept, and what exceeds it (floating-point files) is scaled to it. No dither: the same source gives the
    same bytes. In memory stands the result, not the source: four bytes a sample and channel at 16 kHz.

    Raises:
        DecodeError: empty, damaged, not audio, or not finite.
        FileNotFoundError: there is no such file.
    """
    with open_audio(source, compressed_by_ffmpeg=True) as stream:
        wave_T = mix_down(_at_16k(stream), [])
    if len(wave_T) == 0:
        raise DecodeError("no samples")
    format = recognise(source)
    if is_flac(source) and format is not None and format.is_plain(CONVERSION_RATE):
        return source.read_bytes()
    peak = max(float(wave_T.max()), -float(wave_T.min()))
    if peak > 1.0:
        wave_T /= np.float32(peak)
    buffer = io.BytesIO()
    soundfile.write(buffer, wave_T, CONVERSION_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _at_16k(stream: AudioStream) -> list[Wave]:
    """Blocks ``[C, T]`` of all channels, resampled as they come; DecodeError for samples that are not finite."""
    resampler = soxr.ResampleStream(stream.rate, CONVERSION_RATE, stream.num_channels, dtype="float32", quality="HQ")
    none_TC = np.zeros((0, stream.num_channels), np.float32)
    blocks_CT = [none_TC.T]
    num_samples = num_bad = 0
    for block_CT in stream.blocks:
        num_samples += block_CT.shape[1]
        num_bad += block_CT.shape[1] - int(np.count_nonzero(np.isfinite(block_CT).all(axis=0)))
        if stream.rate != CONVERSION_RATE:
            block_CT = resampler.resample_chunk(np.ascontiguousarray(block_CT.T)).T
        blocks_CT.append(block_CT)
    if num_bad:
        raise DecodeError(f"not finite: {num_bad} of {num_samples} samples are NaN or infinite")
    if stream.rate != CONVERSION_RATE:
        blocks_CT.append(resampler.resample_chunk(none_TC, last=True).T)
    if num_samples and not any(block_CT.size for block_CT in blocks_CT):
        raise DecodeError(f"too short: nothing left at {CONVERSION_RATE} Hz")
    return blocks_CT


def is_flac(path: Path) -> bool:
    """Whether the content, whatever the name, is FLAC."""
    with path.open("rb") as file:
        return file.read(len(FLAC_MARK)) == FLAC_MARK
