"""The command's work: examine, write report, table and page, print."""

from pathlib import Path

from rich.console import Console

from data_prep.audit.doctor import examine
from data_prep.audit.page import write_page
from data_prep.audit.report import AuditReport
from data_prep.audit.terminal import print_report
from data_prep.config import PrepConfig


def run_audit(
    config: PrepConfig,
    base: Path,
    folder: Path,
    *,
    study: str,
    seed: int,
    workers: int,
    max_files: int | None,
    as_json: bool,
) -> AuditReport:
    """Audit a corpus into ``folder``: ``audit.json``, ``measurements.parquet``, ``audit.html``; arguments as `examine`.

    Args:
        as_json: print the report as JSON and nothing else; progress goes to standard error.

    Raises:
        SpoofsweepError: the corpus is missing, its protocols are malformed, or the disk is full.
    """
    console = Console(stderr=as_json)
    found = examine(config, base, study=study, seed=seed, workers=workers, max_files=max_files, console=console)
    written = (found.report.write(folder), found.write_table(folder), write_page(found, config, folder))
    if as_json:
        print(found.report.model_dump_json(indent=1))
        return found.report
    print_report(console, found.report)
    for path in written:
        console.print(f"[dim]written:[/] {path}", highlight=False, soft_wrap=True)
    return found.report
