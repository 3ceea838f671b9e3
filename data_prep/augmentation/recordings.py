"""Folders of recorded noise and room impulse responses: what they hold, its identity, and how it is read."""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from cluster.errors import SpoofsweepError
from data_prep.audio_files import DECODABLE_SUFFIXES, audio_files_below
from data_prep.augmentation.config import AugmentationConfig
from data_prep.augmentation.steps import FolderStep, NoiseStep
from data_prep.decoding import Wave
from data_prep.remote_files import expand_path
from data_prep.resampling import resample

_SEEN = 1 << 14
"""Bytes of a file's beginning, middle and end that its identity depends on."""


@dataclass(frozen=True)
class Recordings:
    """The audio files of one folder."""

    root: Path
    """Absolute."""
    names: tuple[str, ...]
    """Relative to ``root``, with forward slashes, sorted."""

    def below(self, kind: str) -> tuple[str, ...]:
        """The names in subfolder ``kind``."""
        # Sorted names of a folder stand together; "0" is what follows "/".
        return self.names[bisect_left(self.names, f"{kind}/") : bisect_left(self.names, f"{kind}0")]


Folders = Mapping[str, Recordings]
"""Recordings by what the study file calls their folder."""


def list_recordings(config: AugmentationConfig, base: Path) -> dict[str, Recordings]:
    """The recordings of every folder that a step may draw from.

    Args:
        base: where relative folders start.

    Raises:
        SpoofsweepError: a folder is missing or holds no audio, or a kind of noise has no subfolder.
    """
    folders: dict[str, Recordings] = {}
    for step in _folder_steps(config):
        assert step.folder is not None
        if step.folder not in folders:
            folders[step.folder] = _list_folder(expand_path(step.folder, base))
        for kind in step.kinds if isinstance(step, NoiseStep) else ():
            if not folders[step.folder].below(kind):
                place = folders[step.folder].root / kind
                raise SpoofsweepError("every kind of noise must have a subfolder with audio", place, "correct `kinds`")
    return folders


def with_content_identity(config: AugmentationConfig, folders: Folders) -> AugmentationConfig:
    """``config`` with the place of every folder replaced by a hash of what its files are.

    That is their names, sizes, and of each file 16 KiB of its beginning, middle and end: all of a short one, and enough
    of a long one to tell another rendering, while a folder of 11 GB (MUSAN) is known in seconds. A change elsewhere
    inside a longer file goes unseen if its size stays. A folder that is never drawn from is left out.
    """
    policies = {}
    for name, policy in config.policies.items():
        steps = tuple(
            step.model_copy(update={"folder": _identity(folders, step.folder)})
            if isinstance(step, FolderStep)
            else step
            for step in policy.steps
        )
        policies[name] = policy.model_copy(update={"steps": steps})
    return config.model_copy(update={"policies": policies})


def read_whole(recordings: Recordings, name: str, sample_rate: int) -> Wave:
    """The first channel of a recording, ``[num_samples]``.

    Raises:
        SpoofsweepError: it cannot be used.
    """
    with _opened(recordings, name) as file:
        wave_T = _checked(file.read(dtype="float32", always_2d=True)[:, 0], recordings, name)
        return resample(wave_T, file.samplerate, sample_rate)


def read_excerpt(
    recordings: Recordings, name: str, sample_rate: int, num_samples: int, rng: np.random.Generator
) -> Wave:
    """``[num_samples]`` of a recording's mean channel from a drawn place on, wrapping round at its end.

    A silent stretch has no power to scale: there the excerpt begins at the steepest place instead.

    Raises:
        SpoofsweepError: the recording cannot be used.
    """
    with _opened(recordings, name) as file:
        needed = min(file.frames, -(-num_samples * file.samplerate // sample_rate))
        start = int(rng.integers(file.frames))
        wave_T = _read(file, start, needed)
        if _is_silent(wave_T):
            file.seek(0)
            whole_T = _checked(_mono(file, file.frames), recordings, name)
            wave_T = _read(file, int(np.abs(np.diff(whole_T)).argmax()), needed)
        return np.resize(resample(_checked(wave_T, recordings, name), file.samplerate, sample_rate), num_samples)


def _list_folder(folder: Path) -> Recordings:
    files = audio_files_below(folder, DECODABLE_SUFFIXES)
    if not files:
        raise SpoofsweepError(
            "a folder of recorded noise or impulse responses must hold audio",
            folder,
            f"correct `folder`; what is read: {', '.join(DECODABLE_SUFFIXES)}",
        )
    return Recordings(folder, tuple(sorted(file.relative_to(folder).as_posix() for file in files)))


def _folder_steps(config: AugmentationConfig) -> Iterator[FolderStep]:
    for policy in config.policies.values():
        for step in policy.steps:
            if isinstance(step, FolderStep) and step.folder is not None and step.probability > 0:
                yield step


def _identity(folders: Folders, folder: str | None) -> str | None:
    if folder is None or folder not in folders:
        return None
    recordings, digest = folders[folder], hashlib.sha256()
    for name in recordings.names:
        path = recordings.root / name
        size = path.stat().st_size
        digest.update(f"{name}\0{size}\n".encode())
        with path.open("rb") as file:
            for start in (0, (size - _SEEN) // 2, size - _SEEN) if size > 3 * _SEEN else (0, _SEEN, 2 * _SEEN):
                file.seek(start)
                digest.update(file.read(_SEEN))
    return f"sha256:{digest.hexdigest()[:16]}"


@contextmanager
def _opened(recordings: Recordings, name: str) -> Iterator[soundfile.SoundFile]:
    """An open recording; what libsndfile cannot read of it, then or later, is told with its name."""
    try:
        with soundfile.SoundFile(recordings.root / name) as file:
            if not 0 < file.frames < 1 << 40:  # the header of a stream promises the largest integer
                raise _unusable(recordings, name, "its header tells no length")
            yield file
    except soundfile.LibsndfileError as error:
        raise _unusable(recordings, name, error.error_string) from error


def _read(file: soundfile.SoundFile, start: int, num_samples: int) -> Wave:
    file.seek(start)
    wave_T = _mono(file, num_samples)
    if len(wave_T) < num_samples:
        file.seek(0)
        wave_T = np.concatenate([wave_T, _mono(file, num_samples - len(wave_T))])
    return wave_T


def _mono(file: soundfile.SoundFile, num_samples: int) -> Wave:
    wave_TC = file.read(num_samples, dtype="float32", always_2d=True)
    return np.asarray(wave_TC.mean(axis=1, dtype=np.float32))


def _checked(wave_T: Wave, recordings: Recordings, name: str) -> Wave:
    if not np.isfinite(wave_T).all():
        raise _unusable(recordings, name, "samples that are NaN or infinite")
    if _is_silent(wave_T):
        raise _unusable(recordings, name, "silent")
    return wave_T


def _is_silent(wave_T: Wave) -> bool:
    """Whether all samples are the same, or there are none."""
    return not np.any(wave_T != wave_T[:1])


def _unusable(recordings: Recordings, name: str, reason: str) -> SpoofsweepError:
    return SpoofsweepError(
        "every recording of an augmentation folder must be usable",
        f"{recordings.root / name} ({reason})",
        "remove or repair it",
    )
