"""Sends what libraries log and warn about to a file instead of the terminal."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_prep.atomic import NO_ROOM

_LOGGERS = ("ray", "optuna", "mlflow", "alembic", "py.warnings", "spoofsweep")


class _LogFile(logging.FileHandler):
    """Leaves out what a full disk does not take: a log is no reason to stop, nor to fill the terminal."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if not _is_full_disk(sys.exc_info()[1]):
            super().handleError(record)

    def close(self) -> None:
        try:
            super().close()
        except OSError as error:
            if not _is_full_disk(error):
                raise


def _is_full_disk(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in NO_ROOM


@contextmanager
def sweep_log(path: Path) -> Iterator[None]:
    """Append the messages of Ray, Optuna, MLflow and of this program, and Python's warnings, to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _LogFile(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    logging.captureWarnings(True)
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
    try:
        yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
        logging.captureWarnings(False)
        handler.close()
