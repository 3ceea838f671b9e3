"""Which crops training sees, in which order: a pure function of seed and pass number.

A trial reads one endless stream of samples, pass after pass. Everything about a pass is drawn at once by a
counter-based generator keyed by (seed, pass), so the number of samples seen is all that resuming needs. Batches may
span two passes, and all have one size.

Legend: B batch, N samples of a pass (as many as the training split has utterances), U utterances.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cluster.errors import SpoofsweepError
from cluster.settings import nearest
from trainable.config import BatchConfig
from trainable.data.feature_store import FeatureStore

IntArray = NDArray[np.int64]


class Draw(NamedTuple):
    """What to gather: one entry a sample."""

    utterance: IntArray
    view: IntArray
    """Row among the store's views."""
    start: IntArray
    """First frame of the crop."""


class PassPlan:
    """The stream of training samples.

    Args:
        store: the training split.
        config: size, balance and share of augmented views.
        crop_frames: length of a crop, in frames.
        seed: the trial's seed.

    Raises:
        SpoofsweepError: the store has no views of a policy that is asked for.
    """

    def __init__(self, store: FeatureStore, config: BatchConfig, crop_frames: int, seed: int) -> None:
        self._store, self._config, self._crop_frames, self._seed = store, config, crop_frames, seed
        self.num_samples = len(store.label_U)
        self._index_augmented(config.policies)
        # A batch touches two neighbouring passes at most, unless it is larger than a pass.
        self._draw_pass = lru_cache(maxsize=2)(self.draw_pass)

    @property
    def bonafide_share(self) -> float:
        """Share of bona fide utterances among the samples."""
        return 0.5 if self._config.balanced else float(self._store.label_U.mean())

    def batch(self, samples_seen: int) -> Draw:
        """The batch that follows after ``samples_seen``; arrays ``[B]``."""
        position = np.arange(samples_seen, samples_seen + self._config.size)
        parts = []
        for number in np.unique(position // self.num_samples):
            inside = position[position // self.num_samples == number] % self.num_samples
            parts.append([values[inside] for values in self._draw_pass(int(number))])
        return Draw(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def draw_pass(self, number: int) -> Draw:
        """Pass ``number`` of the stream; arrays ``[N]``."""
        rng = np.random.Generator(np.random.Philox(key=[self._seed, number]))
        utterance_N = self._balanced_order(rng) if self._config.balanced else rng.permutation(self.num_samples)
        num_augmented_N = self._num_augmented_U[utterance_N]
        augmented_N = (rng.random(self.num_samples) < self._config.augmented_share) & (num_augmented_N > 0)
        which_N = (rng.random(self.num_samples) * num_augmented_N).astype(np.int64)
        chosen_N = self._augmented[self._first_augmented_U[utterance_N] + which_N]
        view_N = np.where(augmented_N, chosen_N, self._store.first_view_U[utterance_N])
        return Draw(utterance_N, view_N, self._crop_starts(view_N, rng))

    def _index_augmented(self, policies: tuple[str, ...] | None) -> None:
        """Which of the store's views may be drawn beside the clean ones, utterance by utterance."""
        store = self._store
        allowed_V = np.ones(len(store.policy_V), dtype=bool)
        allowed_V[store.first_view_U] = False
        if policies is not None:
            there = sorted(set(store.policy_V[allowed_V].tolist()))
            for name in policies:
                if name not in there:
                    found = f"'{name}' ({nearest(name, there, 'policies')})"
                    raise SpoofsweepError("batch.policies must name augmentation policies of the shards", found)
            allowed_V &= np.isin(store.policy_V, policies)
        owner_V = np.repeat(np.arange(self.num_samples), store.num_views_U)
        self._num_augmented_U: IntArray = np.bincount(owner_V[allowed_V], minlength=self.num_samples)
        self._first_augmented_U = np.cumsum(self._num_augmented_U) - self._num_augmented_U
        # One entry more, so that utterances without such views have something to point at.
        self._augmented = np.append(np.flatnonzero(allowed_V), 0)

    def _crop_starts(self, view_N: IntArray, rng: np.random.Generator) -> IntArray:
        """Uniform over the places where the crop fits; anywhere, wrapping round, in a view shorter than the crop."""
        num_frames_N = self._store.num_frames_V[view_N]
        num_places_N = np.where(num_frames_N < self._crop_frames, num_frames_N, num_frames_N - self._crop_frames + 1)
        return (rng.random(len(view_N)) * num_places_N).astype(np.int64)

    def _balanced_order(self, rng: np.random.Generator) -> IntArray:
        """The classes in turn, so that every batch is balanced, each in shuffled rounds over its utterances."""
        order_N = np.empty(self.num_samples, dtype=np.int64)
        for label in (0, 1):
            members = np.flatnonzero(self._store.label_U == label)
            wanted = len(order_N[label::2])
            rounds = [rng.permutation(members) for _ in range(-(-wanted // len(members)))]
            order_N[label::2] = np.concatenate(rounds)[:wanted]
        return order_N
