"""Measurements to the tables of the report."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pandas

from data_prep.audit.measure import Measurement
from data_prep.audit.quantities import QUANTITIES
from data_prep.audit.report import BandRow, DuplicateGroup, Duplicates, FormatRow, SplitRow, Spread
from data_prep.utterance import LABELS, NO_ATTACK, SPLITS, UNKNOWN_SPEAKER, Utterance

BANDS = (
    ("narrow (below 5 kHz)", 5000.0),
    ("wide (5 to 9 kHz)", 9000.0),
    ("super-wide (9 to 17 kHz)", 17000.0),
    ("full (above 17 kHz)", float("inf")),
)
"""The ITU-T's classes of telephony, which keep 4, 8 and 16 kHz or more, with room for the skirts of their filters."""
STEEP_DB = 15.0
"""A fall across the edge of the bandwidth that a voice does not make."""
_MOST_SHOWN = 100


def tabulate(measurements: Sequence[Measurement]) -> pandas.DataFrame:
    """A row a measurement, all fields but the spectrum."""
    columns = [name for name in Measurement.__dataclass_fields__ if name != "spectrum_db"]
    return pandas.DataFrame([[getattr(one, name) for name in columns] for one in measurements], columns=columns)


def split_rows(utterances: Sequence[Utterance], table: pandas.DataFrame) -> tuple[SplitRow, ...]:
    """Files, speakers and attacks by the protocols, and the hours measured."""
    members: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        members[utterance.split, utterance.label].append(utterance)
    hours = {key: rows.duration_s.sum() / 3600 for key, rows in _classes(table)}
    rows = []
    for split in SPLITS:
        for label in LABELS:
            those = members.get((split, label), [])
            attacks = Counter(sorted(u.attack for u in those if u.attack != NO_ATTACK))
            speakers = {u.speaker for u in those} - {UNKNOWN_SPEAKER}
            if those:
                rows.append(
                    SplitRow(
                        split=split,
                        label=label,
                        files=len(those),
                        speakers=len(speakers),
                        attacks=dict(attacks),
                        hours=round(hours.get((split, label), 0.0), 4),
                    )
                )
    return tuple(rows)


def spreads(table: pandas.DataFrame) -> tuple[Spread, ...]:
    """Mean and quantiles of each measurement by split and class."""
    found = []
    for name in QUANTITIES:
        for (split, label), rows in _classes(table):
            values = rows[name]
            smallest, low, median, high, largest = (float(v) for v in np.quantile(values, (0, 0.05, 0.5, 0.95, 1)))
            found.append(
                Spread(
                    measurement=name,
                    split=split,
                    label=label,
                    mean=float(values.mean()),
                    low=low,
                    median=median,
                    high=high,
                    smallest=smallest,
                    largest=largest,
                )
            )
    return tuple(found)


def format_rows(table: pandas.DataFrame) -> tuple[FormatRow, ...]:
    """How files are stored, most frequent first within a class of a split."""
    columns = ["container", "coding", "sample_rate", "channels", "told_channel"]
    rows = []
    for (split, label), members in _classes(table):
        for values, files in (
            members.groupby(columns, sort=True).size().sort_values(ascending=False, kind="stable").items()
        ):
            rows.append(
                FormatRow(split=split, label=label, files=int(files), **dict(zip(columns, values, strict=True)))
            )
    return tuple(rows)


def band_rows(table: pandas.DataFrame) -> tuple[BandRow, ...]:
    """Classes of bandwidth by split and class."""
    rows = []
    for (split, label), members in _classes(table):
        place = np.searchsorted([upper for _, upper in BANDS], members.bandwidth_hz.to_numpy())
        for number, (band, _) in enumerate(BANDS):
            chosen = members[place == number]
            if len(chosen):
                steep = int((chosen.edge_db >= STEEP_DB).sum())
                rows.append(BandRow(split=split, label=label, band=band, files=len(chosen), steep=steep))
    return tuple(rows)


def duplicates(table: pandas.DataFrame) -> Duplicates:
    """Groups of files with the same audio, those across labels and splits first."""
    repeated = table[table.duplicated("audio_hash", keep=False)]
    groups = [_group(str(name), rows) for name, rows in repeated.groupby("audio_hash", sort=True)]
    groups.sort(key=lambda group: (-len(group.labels), -len(group.splits), -len(group.files)))
    return Duplicates(
        groups=len(groups),
        files=len(repeated),
        across_splits=sum(len(group.splits) > 1 for group in groups),
        across_labels=sum(len(group.labels) > 1 for group in groups),
        shown=tuple(groups[:_MOST_SHOWN]),
    )


def _classes(table: pandas.DataFrame) -> Iterator[tuple[tuple[str, str], pandas.DataFrame]]:
    """Rows of each class of each split that has any."""
    for split in SPLITS:
        for label in LABELS:
            rows = table[(table.split == split) & (table.label == label)]
            if len(rows):
                yield (split, label), rows


def _group(audio_hash: str, rows: pandas.DataFrame) -> DuplicateGroup:
    return DuplicateGroup(
        audio_hash=audio_hash,
        files=tuple(rows.file),
        splits=tuple(split for split in SPLITS if split in set(rows.split)),
        labels=tuple(label for label in LABELS if label in set(rows.label)),
        same_file=rows.file_hash.nunique() == 1,
    )
