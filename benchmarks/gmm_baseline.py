"""LFCC-GMM, the ASVspoof baseline: one Gaussian mixture a class, scored by the mean frame log-likelihood ratio.

Source: Todisco et al. 2019, "ASVspoof 2019: Future Horizons in Spoofed and Fake Audio Detection", section 4 (512
components). Trained on the clean views of a shard set, which is to hold LFCC.
"""

import numpy as np
import pandas
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from data_prep.shards import ShardSet
from trainable.scores.scores import ScoreTable


def gmm_score_tables(shards: ShardSet, num_components: int, seed: int = 1) -> dict[str, ScoreTable]:
    """Scores of dev and eval; diagonal covariances, start from random frames, up to 20 iterations."""
    models = {}
    for label in ("bonafide", "spoof"):
        frames_FN = np.concatenate(_utterances(shards, "train", label))
        model = GaussianMixture(
            num_components,
            covariance_type="diag",
            init_params="random_from_data",
            max_iter=20,
            reg_covar=1e-4,
            random_state=seed,
        )
        models[label] = model.fit(frames_FN)
    return {split: _score(shards, split, models) for split in ("dev", "eval")}


def _score(shards: ShardSet, split: str, models: dict[str, GaussianMixture]) -> ScoreTable:
    rows = _rows(shards, split)
    scores = [
        float(np.mean(models["bonafide"].score_samples(frames) - models["spoof"].score_samples(frames)))
        for frames in _utterances(shards, split)
    ]
    return ScoreTable.of(rows, np.array(scores))


def _rows(shards: ShardSet, split: str, label: str | None = None) -> pandas.DataFrame:
    index = shards.index
    chosen = (index["split"] == split) & (index["view"] == 0)
    return index[chosen & (index["label"] == label)] if label else index[chosen]


def _utterances(shards: ShardSet, split: str, label: str | None = None) -> list[NDArray[np.float32]]:
    """Frames of each utterance, ``[num_frames, num_bins]``."""
    rows = _rows(shards, split, label)
    return [
        shards.frames(int(shard))[int(offset) : int(offset) + int(num_frames)].numpy().astype(np.float32)
        for shard, offset, num_frames in zip(rows["shard"], rows["offset"], rows["num_frames"], strict=True)
    ]
