"""What lies between two reports of a training."""

import time


class Interval:
    """Counts the steps since the last report, and measures the time that they take.

    Args:
        num_steps: that were taken before the training was interrupted.
        elapsed_s: the time since the report, likewise.
    """

    def __init__(self, num_steps: int = 0, elapsed_s: float = 0.0) -> None:
        self.num_steps = num_steps
        self._start_s = time.perf_counter() - elapsed_s

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first step began, if there was one."""
        return time.perf_counter() - self._start_s

    def begin_step(self) -> None:
        """Count a step that begins now."""
        if self.num_steps == 0:
            self._start_s = time.perf_counter()  # what the caller did since the report is not ours
        self.num_steps += 1
