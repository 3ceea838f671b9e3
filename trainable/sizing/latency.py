"""How long a model takes on a CPU.

Legend: B windows in a batch, T frames, F feature bins.
"""

import copy
import statistics
import time

import torch
from torch import nn

from data_prep.one_thread import one_thread
from trainable.scores.scoring import logit_difference

_NUM_WARM_UP = 3
_NUM_REPEATS = 21


def latency_ms(model: nn.Module, num_frames: int, num_bins: int) -> float:
    """Median milliseconds that one window of features takes on one CPU thread in float32, of 21 times after three.

    The features themselves, which cost the same in every trial of a study, are not in it. What else the machine does
    meanwhile is: other trials move it by tens of percent, so read small differences with care.

    Args:
        model: on any device; it is left as it is.
        num_frames: of a window.
        num_bins: feature bins of a frame.
    """
    on_cpu = copy.deepcopy(model).to("cpu").float().eval()
    feat_BTF = torch.randn(1, num_frames, num_bins, generator=torch.Generator().manual_seed(0))
    times_s = []
    with one_thread(), torch.inference_mode():
        for _ in range(_NUM_WARM_UP + _NUM_REPEATS):
            start_s = time.perf_counter()
            logit_difference(on_cpu, feat_BTF)
            times_s.append(time.perf_counter() - start_s)
    return 1000.0 * statistics.median(times_s[_NUM_WARM_UP:])
