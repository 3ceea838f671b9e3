"""The audit of a corpus, from its protocols to the written report and page."""

import io
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas
import pyarrow
import pyarrow.parquet
from rich.console import Console

from data_prep.atomic import atomic_write_bytes
from data_prep.audit.findings import all_findings
from data_prep.audit.measure import Measurement
from data_prep.audit.probes import probe
from data_prep.audit.report import TABLE, AuditReport, RejectedFile
from data_prep.audit.summary import band_rows, duplicates, format_rows, split_rows, spreads, tabulate
from data_prep.audit.survey import draw_files, survey
from data_prep.config import PrepConfig
from data_prep.corpora import read_corpus
from data_prep.utterance import Corpus, Utterance
from data_prep.validation import CorpusReport, Rejection, validate
from data_prep.work_progress import WorkProgress


@dataclass(frozen=True)
class Examination:
    """A finished audit: the report, and what its page draws."""

    report: AuditReport
    table: pandas.DataFrame
    """A row a measurement, as ``summary.tabulate`` makes it."""
    measurements: list[Measurement]
    """In the order of the table."""
    corpus: Corpus

    @cached_property
    def by_id(self) -> dict[str, Utterance]:
        """Utterances by their ids."""
        return {utterance.utterance_id: utterance for utterance in self.corpus.utterances}

    def write_table(self, folder: Path) -> Path:
        """Write all measurements, spectra left out, as Parquet in one step; returns the path."""
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(
            pyarrow.Table.from_pandas(self.table, preserve_index=False), buffer, compression="zstd"
        )
        atomic_write_bytes(folder / TABLE, buffer.getvalue())
        return folder / TABLE


def examine(
    config: PrepConfig,
    base: Path,
    *,
    study: str,
    seed: int,
    workers: int,
    max_files: int | None = None,
    console: Console | None = None,
) -> Examination:
    """Audit a corpus; broken files are set aside with their reasons, doubts and faults become findings.

    Args:
        base: where a relative corpus root starts.
        study: name shown in the report.
        seed: of the sample of files, and of the lots and resamples of the probes.
        workers: processes that measure.
        max_files: measure about so many files, drawn by seed, each split and attack in its share; none means all.
        console: where a progress bar is shown, on a terminal.

    Raises:
        SpoofsweepError: the corpus is missing or its protocols are malformed.
    """
    corpus = read_corpus(config.corpus, base, config.seed)
    validation = validate(corpus, config.corpus)
    chosen = draw_files(validation.usable, max_files, seed)
    measurements, rejections = _measure(chosen, corpus, config, workers, console)
    table = tabulate(measurements)
    rejected = _rejected([*validation.rejected, *rejections])
    report = _report(corpus, validation, table, rejected, len(chosen), study, seed)
    return Examination(report, table, measurements, corpus)


def _measure(
    chosen: list[Utterance], corpus: Corpus, config: PrepConfig, workers: int, console: Console | None
) -> tuple[list[Measurement], list[Rejection]]:
    measurements: list[Measurement] = []
    rejections: list[Rejection] = []
    console = console or Console(quiet=True)
    num_files, visible = len(chosen), console.is_terminal
    with WorkProgress(console, num_files, num_files, visible=visible, task="measuring") as progress:
        for outcome in survey(chosen, replace(corpus, utterances=()), config, workers):
            if isinstance(outcome, Measurement):
                measurements.append(outcome)
                progress.advance(1, 1, outcome.duration_s)
            else:
                rejections.append(outcome)
                progress.advance(1, 1, 0.0)
    return measurements, rejections


def _rejected(rejections: list[Rejection]) -> tuple[RejectedFile, ...]:
    ordered = sorted(rejections, key=lambda one: (one.split, one.utterance_id))
    return tuple(RejectedFile(**vars(one)) for one in ordered)


def _report(
    corpus: Corpus,
    validation: CorpusReport,
    table: pandas.DataFrame,
    rejected: tuple[RejectedFile, ...],
    num_chosen: int,
    study: str,
    seed: int,
) -> AuditReport:
    repeated, probes = duplicates(table), tuple(probe(table, seed))
    num_left_out = len(validation.usable) - num_chosen
    return AuditReport(
        study=study,
        layout=corpus.layout,
        corpus_identity=corpus.identity,
        seed=seed,
        files=len(corpus.utterances),
        chosen=num_chosen,
        measured=len(table),
        hours=round(float(table.duration_s.sum()) / 3600, 4),
        findings=all_findings(validation, table, repeated, probes, rejected, num_left_out),
        splits=split_rows(validation.usable, table),
        spreads=spreads(table),
        formats=format_rows(table),
        bands=band_rows(table),
        duplicates=repeated,
        probes=probes,
        rejected=rejected,
    )
