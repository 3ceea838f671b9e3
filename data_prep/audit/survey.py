"""Measures the files of a corpus, all or a sample drawn by seed, on all cores of this machine."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context

from cluster.errors import SpoofsweepError
from data_prep.audit.measure import Measurement, measure
from data_prep.config import PrepConfig
from data_prep.draws import rank
from data_prep.utterance import Corpus, Utterance
from data_prep.validation import Rejection

_FILES_A_TASK = 16
_TASKS_A_WORKER = 4
"""Tasks in flight, so that memory stays flat however large the corpus."""


def draw_files(utterances: Sequence[Utterance], max_files: int | None, seed: int) -> list[Utterance]:
    """About ``max_files`` utterances, every split and attack in its share, rounded down, but with at least one.

    All are taken if none is given. The draw depends on seed and utterance ids, not on their order; they keep theirs.
    """
    if max_files is None or max_files >= len(utterances):
        return list(utterances)
    strata: dict[tuple[str, str], list[str]] = defaultdict(list)
    for utterance in utterances:
        strata[utterance.split, utterance.attack].append(utterance.utterance_id)
    share = max_files / len(utterances)
    drawn: set[str] = set()
    for names in strata.values():
        drawn.update(sorted(names, key=lambda name: rank(seed, name))[: max(1, int(share * len(names)))])
    return [utterance for utterance in utterances if utterance.utterance_id in drawn]


def survey(
    utterances: Sequence[Utterance], corpus: Corpus, config: PrepConfig, workers: int
) -> Iterator[Measurement | Rejection]:
    """Measure ``utterances``, in their order, with ``workers`` processes; one works in this process.

    Processes rather than Ray tasks: they start in a second where Ray takes ten, and a file is read once.

    Raises:
        SpoofsweepError: a worker died.
    """
    measure_one = partial(measure, corpus=corpus, config=config)
    if workers == 1:
        yield from map(measure_one, utterances)
        return
    tasks = iter([utterances[i : i + _FILES_A_TASK] for i in range(0, len(utterances), _FILES_A_TASK)])
    # Spawned, because a fork of a process with threads (the progress bar has one) may deadlock.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            running = [
                pool.submit(_measure_all, t, corpus, config) for t in itertools.islice(tasks, _TASKS_A_WORKER * workers)
            ]
            while running:
                yield from running.pop(0).result()
                running += [pool.submit(_measure_all, task, corpus, config) for task in itertools.islice(tasks, 1)]
        except BrokenProcessPool as error:
            raise SpoofsweepError(
                "the processes that measure must survive",
                "one was killed, perhaps for lack of memory",
                "use fewer --workers",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _measure_all(utterances: Sequence[Utterance], corpus: Corpus, config: PrepConfig) -> list[Measurement | Rejection]:
    return [measure(utterance, corpus, config) for utterance in utterances]
