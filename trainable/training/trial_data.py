"""What a trial is trained on and judged by, out of a shard set."""

import math

import torch
from torch import nn

from data_prep.shards import ShardSet
from trainable.config import TrialConfig
from trainable.data.batch_stream import BatchStream
from trainable.data.feature_store import FeatureStore
from trainable.data.frames import Frames
from trainable.data.hold_out import hold_out
from trainable.data.mixup import draw_mixture
from trainable.data.pass_plan import PassPlan
from trainable.hardware.seeding import step_seed
from trainable.models.global_cmvn import GlobalCmvn
from trainable.scores.scores import ScoreTable
from trainable.scores.scoring import frames_in, score_largest_batch, score_store
from trainable.training.step import Batch


class TrialData:
    """Batches of the training split, and scores of any other, with the attacks held out that the trial does without.

    Args:
        config: the trial.
        seed: decides the batches.
        device: where they go.
        held_out: attacks, see `trainable.data.hold_out`.
        frames: those of train and dev; none opens them.
    """

    def __init__(
        self,
        config: TrialConfig,
        shards: ShardSet,
        seed: int,
        device: torch.device,
        held_out: tuple[str, ...],
        frames: Frames | None,
    ) -> None:
        self._config, self._shards, self._seed, self._device = config, shards, seed, device
        self._index = hold_out(shards.index, held_out)
        self.frames = frames or Frames.of_training(shards, device)
        self._train = FeatureStore(shards, "train", device, index=self._index, frames=self.frames)
        self._dev = FeatureStore(shards, "dev", device, clean_only=True, index=self._index, frames=self.frames)
        crop_frames = frames_in(config.batch.crop_s, shards.manifest.features)
        self._plan = PassPlan(self._train, config.batch, crop_frames, seed)
        self._batches = BatchStream(self._train, self._plan, crop_frames)
        self.num_bins = self._train.num_bins
        self.samples_per_pass = self._plan.num_samples
        self.budget_samples = math.ceil(config.budget_passes * self.samples_per_pass)
        self.bonafide_share = self._plan.bonafide_share

    def batch(self, samples_seen: int) -> Batch:
        """The batch that follows after ``samples_seen``."""
        features, labels = self._batches.batch(samples_seen)
        seed = step_seed(self._seed, samples_seen)
        return Batch(features, labels, draw_mixture(self._config.batch.mixup_alpha, len(labels), seed, self._device))

    def global_cmvn(self) -> GlobalCmvn | None:
        """The normalisation that the features ask for, measured on the training split; none if they ask for none.

        Here and not in preparation: what is held out may not tell how features are normalised either.
        """
        return GlobalCmvn(*self._train.clean_moments()) if self._shards.manifest.features.cmvn == "global" else None

    def score(self, model: nn.Module, split: str) -> ScoreTable:
        """Scores of a split's utterances by their clean views, in the order of their identifiers."""
        store = self._dev if split == "dev" else FeatureStore(self._shards, split, self._device, True, self._index)
        score_U = score_store(model, store, self._config.validation, self._shards.manifest.features)
        return ScoreTable.of(store.utterances, score_U)

    def score_largest_batch(self, model: nn.Module) -> None:
        """Score as many windows of dev as are ever scored at a time, and forget the scores."""
        score_largest_batch(model, self._dev, self._config.validation, self._shards.manifest.features)
