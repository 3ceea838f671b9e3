"""The audit as one HTML file: tables, figures, examples to hear; nothing in it is fetched from elsewhere.

Array names carry shapes: N utterances, K bands of the spectrum.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from data_prep.atomic import atomic_write_text
from data_prep.audit import plots
from data_prep.audit.doctor import Examination
from data_prep.audit.findings import is_doubtful
from data_prep.audit.gallery import Clip, ClipRow, make_clip
from data_prep.audit.html_page import render
from data_prep.audit.measure import Measurement, read_stored
from data_prep.audit.quantities import QUANTITIES
from data_prep.audit.report import PAGE, AuditReport
from data_prep.audit.signal import FloatArray
from data_prep.audit.summary import BANDS
from data_prep.config import PrepConfig
from data_prep.decoding import DecodeError
from data_prep.draws import rank
from data_prep.utterance import LABELS, SPLITS

MOST_REJECTED = 300
"""Rows shown; the rest stand in the JSON report."""
_MOST_SPECTRA = 2000
"""Of each class of each split; more would not move a quantile."""
_CLIPS_A_CLASS = 3


def write_page(examination: Examination, config: PrepConfig, folder: Path) -> Path:
    """Write ``audit.html`` into ``folder`` in one step; returns its path."""
    report = examination.report
    html = render(
        "audit.html.j2",
        report=report,
        figures=_figures(examination),
        attacks=_attacks(report),
        gallery=list(_gallery(examination, config)),
        most_rejected=MOST_REJECTED,
        is_doubtful=is_doubtful,
        quantities=QUANTITIES,
        probes=_nested((one.cue, one.split, one) for one in report.probes),
        bands=_nested(((row.split, row.label), row.band, row) for row in report.bands),
        shown_bands=[band for band, _ in BANDS if any(row.band == band for row in report.bands)],
        shown_splits=[split for split in SPLITS if any(row.split == split for row in report.splits)],
    )
    atomic_write_text(folder / PAGE, html)
    return folder / PAGE


def _figures(examination: Examination) -> dict[str, str]:
    """Figures by name; none if nothing was measured."""
    table = examination.table
    if not len(table):
        return {}
    figures = {
        column: plots.histograms(plots.by_class(_columns(table, column, one.factor), SPLITS), one.title)
        for column, one in QUANTITIES.items()
        if one.is_drawn
    }
    figures["spectra"] = plots.spectra(plots.by_class(_spectra(table, examination.measurements), SPLITS))
    if examination.report.probes:
        figures["probes"] = plots.probe_chart(examination.report.probes)
    return figures


def _columns(table: pandas.DataFrame, column: str, factor: float) -> dict[tuple[str, str], FloatArray]:
    return {key: factor * rows[column].to_numpy(np.float64) for key, rows in table.groupby(["split", "label"])}


def _spectra(table: pandas.DataFrame, measurements: Sequence[Measurement]) -> dict[tuple[str, str], FloatArray]:
    """Spectra ``[N, K]`` by split and label, evenly drawn where there are many; NaN above half the stored rate."""
    found = {}
    for key, places in table.groupby(["split", "label"]).indices.items():
        chosen = [measurements[i].spectrum_db for i in places[:: -(-len(places) // _MOST_SPECTRA)]]
        spectra_NK = np.full((len(chosen), max(map(len, chosen))), np.nan)
        for row, spectrum_K in zip(spectra_NK, chosen, strict=True):
            row[: len(spectrum_K)] = spectrum_K
        found[key] = spectra_NK
    return found


def _nested(entries: Iterable[tuple[Any, str, Any]]) -> list[tuple[Any, dict[str, Any]]]:
    """Rows of a table, in the order of their first entries: row, column, cell."""
    rows: dict[Any, dict[str, Any]] = {}
    for row, column, cell in entries:
        rows.setdefault(row, {})[column] = cell
    return list(rows.items())


def _attacks(report: AuditReport) -> list[tuple[str, dict[str, int]]]:
    """Files by split of each attack, bona fide first."""
    counts: dict[str, dict[str, int]] = {}
    for row in report.splits:
        for attack, files in (row.attacks or {plots.NAMES["bonafide"]: row.files}).items():
            counts.setdefault(attack, {})[row.split] = files
    return sorted(counts.items(), key=lambda item: (item[0] != plots.NAMES["bonafide"], item[0]))


def _gallery(examination: Examination, config: PrepConfig) -> Iterator[ClipRow]:
    """Examples of each class drawn by seed, each of another attack as far as there are."""
    for label in LABELS:
        rows = examination.table[examination.table.label == label]
        order = sorted(rows.itertuples(), key=lambda row: rank(examination.report.seed, row.utterance_id))
        drawn = list({row.attack: row for row in reversed(order)}.values())[:_CLIPS_A_CLASS]
        drawn += [row for row in order if row not in drawn][: _CLIPS_A_CLASS - len(drawn)]
        clips = [clip for row in drawn if (clip := _clip(row, examination, config)) is not None]
        if clips:
            yield ClipRow(plots.NAMES[label], label, tuple(clips))


def _clip(row: Any, examination: Examination, config: PrepConfig) -> Clip | None:
    """The example of one row of the table; none if its file went away or broke since it was measured."""
    try:
        stored, wave_T, _ = read_stored(examination.by_id[row.utterance_id], config)
    except (DecodeError, FileNotFoundError):
        return None
    facts = [row.split, *([row.attack] if row.label == "spoof" else []), f"{row.duration_s:.2f} s"]
    facts += [f"{row.level_dbfs:.0f} dBFS", f"silence {row.leading_silence_s:.2f} and {row.trailing_silence_s:.2f} s"]
    facts.append(f"to {row.bandwidth_hz / 1000:.2f} kHz")
    return make_clip(row.utterance_id, facts, wave_T, stored.sample_rate)
