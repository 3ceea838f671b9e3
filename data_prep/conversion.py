"""Any audio to 16 kHz mono 16-bit FLAC, in parallel, resumable, with every failure on record.

MP3, AAC, Opus, G.722 and the like are decoded by ffmpeg through pydub; plain samples and FLAC by libsndfile, which
notices damage where ffmpeg passes over it. Array names carry shapes: T samples, C channels.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from filelock import FileLock

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write_bytes
from data_prep.audio_files import AUDIO_SUFFIXES, audio_files_below
from data_prep.audio_format import is_flac, recognise
from data_prep.audio_stream import AudioStream, Wave, faults_told, open_audio, require_content
from data_prep.config import CONVERSION_RATE
from data_prep.conversion_ledger import Ledger, LedgerEntry
from data_prep.decode_error import TOO_SHORT, DecodeError
from data_prep.decoding import mix_down
from data_prep.ffmpeg import load_pydub
from data_prep.remote_files import file_sha256

_LOCK = ".lock"


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
        raise SpoofsweepError("the file or folder to convert must exist", source, "correct its path")
    audio = audio_files_below(source)
    if not audio:
        raise SpoofsweepError(
            "the folder to convert must hold audio",
            f"{source} without any of {', '.join(AUDIO_SUFFIXES)}",
            "name the folder that holds the audio files",
        )
    return audio


def require_apart(source: Path, output: Path) -> None:
    """Refuse an output in which sources would be overwritten, or which the next run would take for a source.

    Raises:
        SpoofsweepError: ``output`` is the folder of the sources, or lies below it.
    """
    root, made = (source if source.is_dir() else source.parent).resolve(), output.resolve()
    if made == root or (source.is_dir() and root in made.parents):
        raise SpoofsweepError(
            "converted files must go to a folder outside that of their sources", output, "name another output folder"
        )


def convert_files(sources: Sequence[Path], root: Path, output: Path, workers: int) -> Iterator[Outcome]:
    """Convert ``sources`` (below ``root``) into the same tree below ``output``; yield outcomes as they come.

    Outcomes go to ``output/ledger.jsonl`` at once. A source that the ledger has with the same size and time of change,
    or else with the same SHA-256, is not converted again if its target is unchanged too; failures are tried again. A
    target that a source has no longer is removed. Of several runs for one output, one works and the others wait.

    Raises:
        SpoofsweepError: a target would lie outside ``output``, the disk is full, no ffmpeg is at hand, or the ledger is
            no ledger.
        OSError: the storage fails.
    """
    load_pydub()  # fails here, once, rather than in every worker
    targets = _targets(sources, root)
    claimed = {target: str(source.relative_to(root)) for source, target in targets.items()}
    output.mkdir(parents=True, exist_ok=True)
    with FileLock(output / _LOCK), Ledger.open(output) as ledger, ThreadPoolExecutor(workers) as pool:
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
                    entry = future.result().entry
                    _remove_stale(ledger.entries.get(entry.source), entry, output, claimed)
                    ledger.add(entry)
                    yield future.result()
        finally:
            for future in running:
                future.cancel()


def _targets(sources: Iterable[Path], root: Path) -> dict[Path, str]:
    """Relative target of each source: under ``.flac``, or with ``.flac`` added where another could claim that too."""
    names = {source: source.relative_to(root) for source in sources}
    outside = [source for source, name in names.items() if ".." in name.parts]
    if outside:
        raise SpoofsweepError(
            "converted files keep their paths, which must stay in the folder", outside[0], "write it without .."
        )
    plain = {source: name.with_suffix(".flac").as_posix() for source, name in names.items()}
    full = {source: f"{name.as_posix()}.flac" for source, name in names.items()}
    claims = Counter(target for source in names for target in {plain[source], full[source]})
    return {source: plain[source] if claims[plain[source]] == 1 else full[source] for source in names}


def _remove_stale(known: LedgerEntry | None, entry: LedgerEntry, output: Path, targets: Mapping[str, str]) -> None:
    """Remove what an earlier run made of a source, if it is its target no more and no other source's either."""
    if known is None or known.target in ("", entry.target):
        return
    if targets.get(known.target, entry.source) == entry.source:
        (output / known.target).unlink(missing_ok=True)


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
            sha256, recognised = file_sha256(source), recognise(source)
            format = recognised.name if recognised else ""
    facts = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256, "format": format}
    return entry.model_copy(update=facts)


def _mtime_ns_if_as_recorded(made: Path, known: LedgerEntry) -> int | None:
    if not made.is_file():
        return None
    status = made.stat()
    if (status.st_size, status.st_mtime_ns) != (known.output_size, known.output_mtime_ns):
        return status.st_mtime_ns if file_sha256(made) == known.output_sha256 else None
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
        raise DecodeError(f"{TOO_SHORT}: nothing left at {CONVERSION_RATE} Hz")
    return blocks_CT
