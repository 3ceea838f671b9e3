"""Samples that wait until there are enough of them: a queue in one piece of memory.

Array names carry shapes: T samples.
"""

import numpy as np

from deploy.stream.samples import Wave


class SampleBuffer:
    """Appends and removes in amortised constant time a sample; what waits is always one contiguous array."""

    def __init__(self) -> None:
        self._memory_T: Wave = np.zeros(4096, np.float32)
        self._first = self._end = 0

    def __len__(self) -> int:
        return self._end - self._first

    def append(self, samples_T: Wave) -> None:
        """Add samples at the end."""
        if self._end + len(samples_T) > len(self._memory_T):
            self._make_room(len(samples_T))
        self._memory_T[self._end : self._end + len(samples_T)] = samples_T
        self._end += len(samples_T)

    def peek(self, first: int, end: int) -> Wave:
        """The samples from ``first`` to ``end``, counted from the oldest; a view, good until the next append."""
        return self._memory_T[self._first + first : self._first + end]

    def drop(self, num_samples: int) -> None:
        """Remove the oldest samples."""
        self._first += num_samples

    def clear(self) -> None:
        """Remove all samples."""
        self._first = self._end = 0

    def _make_room(self, num_samples: int) -> None:
        """Move what waits to the front, into larger memory where it would fill more than half of the present one."""
        waiting_T = self._memory_T[self._first : self._end]
        needed = 2 * (len(waiting_T) + num_samples)
        if needed > len(self._memory_T):
            self._memory_T = np.zeros(needed, np.float32)
        self._memory_T[: len(waiting_T)] = waiting_T
        self._first, self._end = 0, len(waiting_T)
