"""Exports a detector beside its place, and puts it there once its parity report passes."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from deploy.detector_folder import STREAM
from deploy.export.export import Export, default_folder
from deploy.parity.chain import INT8_FOLDER, PRUNED_FOLDER, ExportedModel
from deploy.parity.report import ParityReport
from deploy.parity.run import Request, log_report, parity

REFUSED = "-refused"
"""Behind the name of a folder whose detector was not published."""


def proven(
    make: Callable[[Path], Export], output: Path | None, request: Request, tracking_uri: str
) -> tuple[Export, ParityReport]:
    """Export, report, and publish only what keeps every gate; the export's folder is where the files are now.

    What fails stays for a look beside the place where it was to go, which is left as it was.

    Args:
        make: exports into a folder.
        output: where the detector is to go, whose other files stay; by default as `deploy.export.export` says.
    """
    with tempfile.TemporaryDirectory(prefix="spoofsweep-parity-") as scratch:
        done = make(Path(scratch))
        report = parity(ExportedModel.of(done.origin, done.folder), request, tracking_uri)
        files = report.write(done.folder)
        place = output or default_folder(done.origin)
        if report.passed:
            log_report(report, files, tracking_uri)
        else:
            place = place.with_name(place.name + REFUSED)
        _move(done.folder, place)
    moved = tuple(replace(file, path=place / file.path.name) for file in done.files)
    return replace(done, folder=place, files=moved), report


def _move(source: Path, place: Path) -> None:
    """Put the files of ``source`` among those of ``place``, without what another model's chain left there."""
    place.mkdir(parents=True, exist_ok=True)
    (place / STREAM).unlink(missing_ok=True)
    for folder in (place / INT8_FOLDER, place / PRUNED_FOLDER):
        if folder.is_dir():
            shutil.rmtree(folder)
    for path in source.iterdir():
        shutil.move(path, place / path.name)
