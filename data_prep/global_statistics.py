"""Mean and standard deviation of every feature bin over the clean training frames of a shard set.

Tensor names carry shapes: F frames, N feature bins.
"""

import torch

from data_prep.features.normalisation import STD_FLOOR
from data_prep.shards import FeatureStatistics, ShardSet


def measure_statistics(shard_set: ShardSet) -> FeatureStatistics:
    """Statistics of the training views without augmentation, as stored (float16), summed in float64.

    The order is that of the index, so the same shards give the same numbers on any number of workers. The standard
    deviation divides by the number of frames and is at least `STD_FLOOR`.
    """
    index = shard_set.index
    clean = index[(index["split"] == "train") & (index["view"] == 0)]
    total_N, squares_N = torch.zeros(2, shard_set.manifest.features.num_bins, dtype=torch.float64)
    for shard, rows in clean.groupby("shard"):
        frames_FN = shard_set.frames(int(shard))
        for offset, num_frames in zip(rows["offset"], rows["num_frames"], strict=True):
            feat_FN = frames_FN[offset : offset + num_frames].double()
            total_N += feat_FN.sum(dim=0)
            squares_N += feat_FN.square().sum(dim=0)
    mean_N = total_N / int(clean["num_frames"].sum())
    variance_N = squares_N / int(clean["num_frames"].sum()) - mean_N.square()
    std_N = variance_N.clamp(min=STD_FLOOR**2).sqrt()
    return FeatureStatistics(mean=tuple(mean_N.tolist()), std=tuple(std_N.tolist()))
