"""The usual ways to bring features to a training: a DataLoader over FLAC files, .npy files, tars or litdata chunks.

Each as its documentation recommends, and at its best: workers that stay, batches made in the workers, pinned memory
before a GPU, and precomputed features in float16, widened on the device.

Tensor names carry shapes: B batch, T frames, F feature bins.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from data_prep.features import FrontEnd
from throughput.training_data import TrainingData, label_of

Item = tuple[Any, int]
"""A crop of features and its class."""
PREFETCH = 4
"""Batches that a worker makes ahead."""
_SHUFFLE_BUFFER = 1000


@dataclass(frozen=True)
class LoaderSettings:
    """What all loaders share."""

    batch_size: int
    crop_frames: int
    num_workers: int
    pin_memory: bool

    @property
    def for_torch(self) -> dict[str, Any]:
        """Arguments of every DataLoader."""
        ahead = {"persistent_workers": True, "prefetch_factor": PREFETCH} if self.num_workers else {}
        return {"num_workers": self.num_workers, "pin_memory": self.pin_memory} | ahead


class FlacFeatures(Dataset[Item]):
    """Reads a file, cuts the wave to what a crop of features needs, and computes them."""

    def __init__(self, data: TrainingData, crop_frames: int) -> None:
        self._paths, self._front_end = data.files("flac"), FrontEnd(data.features)
        self._hop, window = data.features.hop_samples, data.features.window_samples
        self._num_samples = (crop_frames - 1) * self._hop + window

    def __len__(self) -> int:
        return len(self._paths)

    @torch.no_grad()
    def __getitem__(self, number: int) -> Item:
        wave_T = torch.from_numpy(soundfile.read(self._paths[number], dtype="float32")[0])
        start = _draw((len(wave_T) - self._num_samples) // self._hop) * self._hop  # a frame that the others have, too
        return self._front_end(wave_T[None, start : start + self._num_samples])[0], label_of(number)


class NpyFeatures(Dataset[Item]):
    """Reads the features of an utterance and cuts a crop."""

    def __init__(self, data: TrainingData, crop_frames: int) -> None:
        self._paths, self._crop_frames = data.files("npy"), crop_frames

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> Item:
        return cropped(np.load(self._paths[number]), self._crop_frames), label_of(number)


def flac_batches(data: TrainingData, settings: LoaderSettings) -> Iterator[list[Tensor]]:
    """A DataLoader that reads FLAC with libsndfile and makes the features on the fly, float32."""
    return _map_style(FlacFeatures(data, settings.crop_frames), settings)


def npy_batches(data: TrainingData, settings: LoaderSettings) -> Iterator[list[Tensor]]:
    """A DataLoader over one .npy file of features an utterance, float16."""
    return _map_style(NpyFeatures(data, settings.crop_frames), settings)


def tar_batches(data: TrainingData, settings: LoaderSettings) -> Iterator[list[Tensor]]:
    """WebDataset: resampled tars without epochs, a shuffle buffer, batches made in the workers."""
    import webdataset

    tars = [str(path) for path in sorted((data.folder / "tar").iterdir())]
    samples = webdataset.WebDataset(tars, resampled=True, shardshuffle=False).shuffle(_SHUFFLE_BUFFER).decode()
    crops = samples.to_tuple("npy", "cls").map_tuple(partial(cropped, crop_frames=settings.crop_frames), int)
    batches = crops.batched(settings.batch_size, partial=False, collation_fn=default_collate)
    return iter(webdataset.WebLoader(batches, batch_size=None, **settings.for_torch))


def chunk_batches(data: TrainingData, settings: LoaderSettings) -> Iterator[list[Tensor]]:
    """litdata: optimised chunks on the local disk, read in place, shuffled."""
    import litdata

    cut = partial(_cropped_sample, crop_frames=settings.crop_frames)
    dataset = litdata.StreamingDataset(str(data.folder / "litdata"), shuffle=True, drop_last=True, transform=cut)
    return _endless(litdata.StreamingDataLoader(dataset, batch_size=settings.batch_size, **settings.for_torch))


def cropped(feat_TF: NDArray[np.float16], crop_frames: int) -> NDArray[np.float16]:
    """A random crop, copied, so that the rest of the utterance can go."""
    start = _draw(len(feat_TF) - crop_frames)
    return feat_TF[start : start + crop_frames].copy()


LOADERS: dict[str, Callable[[TrainingData, LoaderSettings], Iterator[list[Tensor]]]] = {
    "flac": flac_batches,
    "npy": npy_batches,
    "webdataset": tar_batches,
    "litdata": chunk_batches,
}
"""Endless batches ``feat_BTF`` and ``label_B``, by the package that is needed or the kind of file."""


def is_installed(name: str) -> bool:
    """Whether the package of that loader is here."""
    return name not in ("webdataset", "litdata") or find_spec(name) is not None


def _map_style(dataset: Dataset[Item], settings: LoaderSettings) -> Iterator[list[Tensor]]:
    loader = DataLoader(dataset, settings.batch_size, shuffle=True, drop_last=True, **settings.for_torch)
    return _endless(loader)


def _endless(loader: Iterable[list[Tensor]]) -> Iterator[list[Tensor]]:
    while True:
        yield from loader


def _cropped_sample(sample: dict[str, Any], crop_frames: int) -> Item:
    return cropped(sample["features"], crop_frames), sample["label"]


def _draw(largest: int) -> int:
    """Uniform in ``0..largest`` by PyTorch's generator, which every worker seeds for itself."""
    return int(torch.randint(largest + 1, ()))
