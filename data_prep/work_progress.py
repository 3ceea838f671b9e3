"""Shows how far the work on many audio files is: a bar on a terminal, else a line from time to time."""

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

_LINE_INTERVAL_S = 60.0


class WorkProgress:
    """A context manager that counts finished files.

    The time left follows from the work done since the start, so that what an earlier run did does not enter.

    Args:
        console: where to show; lines if it is not a terminal.
        num_files: all there are.
        work: of all of them, in a unit of the caller's choice.
        num_files_done, work_done: of an earlier run.
        visible: whether the bar is shown.
        task: what is done.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        console: Console,
        num_files: int,
        work: int,
        num_files_done: int = 0,
        work_done: int = 0,
        visible: bool = True,
        task: str = "preparing",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._num_files, self._work, self._clock = console, num_files, work, clock
        self._num_files_done, self._work_done, self._work_before = num_files_done, work_done, work_done
        self._name = task
        self.audio_s = 0.0
        """Seconds of audio done since the start."""
        self._start_s = self._last_line_s = clock()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
        self._bar = Progress(*columns, console=console, disable=not visible)
        self._task = self._bar.add_task(task, total=max(work, 1), completed=work_done, state=self.state())

    def __enter__(self) -> "WorkProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, num_files: int, work: int, audio_s: float) -> None:
        """So many more are finished."""
        self._num_files_done += num_files
        self._work_done += work
        self.audio_s += audio_s
        self._bar.update(self._task, completed=self._work_done, state=self.state())
        if not self._console.is_terminal and self._clock() - self._last_line_s >= _LINE_INTERVAL_S:
            self._last_line_s = self._clock()
            self._console.print(f"{self._name}: {self.state()}", highlight=False, soft_wrap=True)

    def state(self) -> str:
        """Files done, hours of audio a second, time left."""
        parts = [f"{self._num_files_done:,} of {self._num_files:,} files"]
        elapsed_s, done = self._clock() - self._start_s, self._work_done - self._work_before
        if elapsed_s > 0 and done:
            parts.append(f"{self.audio_s / 3600 / elapsed_s:.2f} h audio/s")
            left_s = round((self._work - self._work_done) * elapsed_s / done)
            parts.append(f"{left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02} left")
        return ", ".join(parts)
