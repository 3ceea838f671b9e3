"""How long something takes that is done again and again."""

import time
from collections.abc import Callable

import numpy as np

_NUM_WARM_UP = 20


def quantiles_ms(run: Callable[[], object], num_runs: int) -> tuple[float, float]:
    """Median and 99th percentile of the time that ``run`` takes, in milliseconds; a few runs before do not count."""
    times_ms = []
    for _ in range(_NUM_WARM_UP + num_runs):
        start_s = time.perf_counter()
        run()
        times_ms.append(1000.0 * (time.perf_counter() - start_s))
    p50_ms, p99_ms = np.quantile(times_ms[_NUM_WARM_UP:], (0.5, 0.99))
    return float(p50_ms), float(p99_ms)
