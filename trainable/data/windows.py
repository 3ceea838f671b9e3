"""Where the windows of an utterance lie: for training's validation and for detectors without torch alike."""

from typing import Literal


def window_starts(num_frames: int, window_frames: int, coverage: Literal["first", "full"]) -> list[int]:
    """First frames of an utterance's windows: consecutive ones, the last aligned to the end.

    An utterance not longer than the window has one window at 0, which repeats it.
    """
    if coverage == "first" or num_frames <= window_frames:
        return [0]
    last = num_frames - window_frames
    return [*range(0, last, window_frames), last]
