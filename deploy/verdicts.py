"""What ``detect`` says of each file, and the three ways it prints it."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cluster.errors import SpoofsweepError
from data_prep.audio_files import AUDIO_SUFFIXES
from data_prep.decode_error import DecodeError, UnknownFormatError
from deploy.detection import BONAFIDE, Detection, verdict_label

COLUMNS = ("file", "label", "score", "threshold", "seconds", "error")


class FileDetector(Protocol):
    """What a verdict asks of a detector, exported or not."""

    def score_file(self, path: Path) -> Detection:
        """Score an audio file."""
        ...


@dataclass(frozen=True)
class Verdict:
    """One file's detection, or why there is none."""

    path: Path
    detection: Detection | None
    error: str | None = None

    @classmethod
    def of(cls, detector: FileDetector, path: Path) -> "Verdict":
        """Score ``path``; a file that cannot be scored is a verdict too, so that the others go on."""
        try:
            return cls(path, detector.score_file(path))
        except UnknownFormatError as error:
            convertible = path.suffix.lower() in AUDIO_SUFFIXES
            return cls(path, None, f"{error}; run `spoofsweep convert` first" if convertible else str(error))
        except (DecodeError, SpoofsweepError, OSError) as error:
            return cls(path, None, str(error))

    def row(self) -> dict[str, Any]:
        """Values by the names in ``COLUMNS``; those of a file that failed are None."""
        if self.detection is None:
            return dict.fromkeys(COLUMNS) | {"file": str(self.path), "error": self.error}
        d = self.detection
        return dict(zip(COLUMNS, (str(self.path), d.label, d.score, d.threshold, d.duration_s, None), strict=True))


def to_json(verdicts: list[Verdict], windows: bool) -> str:
    """A JSON array, an object a file; with ``windows``, each has the list of its windows."""
    rows = [verdict.row() for verdict in verdicts]
    if windows:
        for row, verdict in zip(rows, verdicts, strict=True):
            row["windows"] = [asdict(window) for window in verdict.detection.windows] if verdict.detection else None
    return json.dumps(rows, indent=2)


def to_csv(verdicts: list[Verdict]) -> str:
    """Comma-separated, with a header."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(verdict.row() for verdict in verdicts)
    return buffer.getvalue()


def print_table(verdicts: list[Verdict], windows: bool, console: Console, truth: Sequence[str] | None = None) -> None:
    """A coloured table, below it what could not be scored.

    Args:
        windows: show each file's course before.
        truth: the right label of each verdict, shown beside it where given.
    """
    table = _table("file", "label", "score", "threshold", "seconds")
    if truth is not None:
        table.add_column("truth")
    for verdict, right in zip(verdicts, truth or [""] * len(verdicts), strict=True):
        if (d := verdict.detection) is not None:
            values = (f"{d.score:+.3f}", f"{d.threshold:+.3f}", f"{d.duration_s:.2f}")
            row = (Text(str(verdict.path)), Text(d.label, _colour(d.label)), *values)
            table.add_row(*row, *([] if truth is None else [Text(right)]))
    if windows:
        for verdict in verdicts:
            if verdict.detection is not None:
                console.print(Text(str(verdict.path), "bold"), soft_wrap=True)
                console.print(_course_table(verdict.detection))
    if table.row_count:
        console.print(table)
    for verdict in verdicts:
        if verdict.error is not None:
            console.print(Text(f"not scored: {verdict.path}: {verdict.error}", "yellow"), soft_wrap=True)


def _course_table(detection: Detection) -> Table:
    table = _table("window", "running label", "score", "running score")
    for w in detection.windows:
        label = verdict_label(w.running_score, detection.threshold)
        span = f"{w.start_s:.2f} to {w.end_s:.2f} s"
        table.add_row(span, Text(label, _colour(label)), f"{w.score:+.3f}", f"{w.running_score:+.3f}")
    return table


def _table(first: str, second: str, *numbers: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, overflow="fold")
    table.add_column(second, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _colour(label: str) -> str:
    return "green" if label == BONAFIDE else "red"
