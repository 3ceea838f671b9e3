"""How soon a search finds what random search finds: random search, stock Ray ASHA with OptunaSearch, and spoofsweep by
sampler and by rung policy, over learning curves in virtual time.

    python benchmarks/search_efficiency.py [--seeds 50] [--workers 1 8 64 512] [--trials 128]
        [--landscapes NAME ...] [--searches NAME ...] [--jobs 2] [--output results/reference]

The result of a search, at any moment, is the best of its five finalists (those with the best measured EER) by its EER
without the noise of validation and seed: who searches trains finalists with several seeds. The target is the result of
random search that trains `--trials` configurations to their end, at least two a worker. Random search itself runs
against it with another seed and up to twice as many trials; the time that these take is the limit of all searches. One
that has not come there within it, or within four times the trials, counts with the limit, which is too little: such
counts stand beside ratios.

PASHA need not train any trial to its end: its finalists are the best of those that came furthest, and count from when
they would have come to their end, too, had they gone on.

Everything runs through the code of a real sweep: ours through conductor, ledger, sampler and pruner, the stock one
through Ray's own scheduler and Ray's own searcher, told what Ray Tune's controller tells them.

Landscapes (search/simulation): `surrogate`, predicted from the trainings in benchmarks/curves; `recorded`, the same
trainings as a table, of which each trial gets the nearest (a trial that happens on the best one wins, and nothing near
it tells where it is); and synthetic families over the demo study's space, a landscape a seed: `benign`, and two that
mislead early rungs. What is finished lies in OUTPUT/search-efficiency.jsonl: the same command goes on, and one that
names further searches, landscapes or numbers of workers adds them to the page.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import Any

from machine import parse_arguments, write_page
from search_race import COMPARED, LANDSCAPES, NAMES, Cell, recordings, run_cell
from search_tables import tables

from search.simulation.surrogate_curves import SurrogateCurves
from search.study.space import SearchSpace


def run(cells: Sequence[Cell], names: Sequence[str], jobs: int, kept: Path) -> list[dict[str, Any]]:
    """Run what does not lie in ``kept``; the results of all cells that then do."""
    results: dict[str, dict[str, Any]] = {}
    for line in kept.read_text().splitlines() if kept.exists() else ():
        _merge(results, json.loads(line))
    missing = {cell: [name for name in names if name not in _times(results, cell)] for cell in cells}
    missing = {cell: lacking for cell, lacking in missing.items() if lacking}
    start_s = time.perf_counter()
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool, kept.open("a") as file:
        futures = [pool.submit(run_cell, cell, lacking) for cell, lacking in missing.items()]
        for number, future in enumerate(as_completed(futures), 1):
            _merge(results, future.result())
            print(json.dumps(future.result()), file=file, flush=True)
            left_s = (time.perf_counter() - start_s) / number * (len(missing) - number)
            print(f"{number} of {len(missing)} cells, about {left_s / 60:.0f} minutes left", flush=True)
    return list(results.values())


def _merge(results: dict[str, dict[str, Any]], result: dict[str, Any]) -> None:
    known = results.setdefault(json.dumps(result["cell"]), result)
    known["times"] |= result["times"]


def _times(results: dict[str, dict[str, Any]], cell: Cell) -> dict[str, Any]:
    return results.get(json.dumps(cell.key), {"times": {}})["times"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64, 512])
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--landscapes", nargs="+", default=list(LANDSCAPES), choices=LANDSCAPES)
    parser.add_argument(
        "--searches", nargs="+", default=list(NAMES), choices=list(NAMES), help="besides the main three"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("results/reference"))
    arguments = parse_arguments(parser)
    arguments.output.mkdir(parents=True, exist_ok=True)
    cells = [
        Cell(landscape, workers, seed, arguments.trials)
        for seed, workers, landscape in product(range(arguments.seeds), arguments.workers, arguments.landscapes)
    ]
    names = [name for name in NAMES if name in COMPARED or name in arguments.searches]
    results = run(cells, names, arguments.jobs, arguments.output / "search-efficiency.jsonl")
    head = (
        "Times as fast as random search (geometric mean over seeds), p against random search and against stock Ray "
        "with its first rung at the first pass (Wilcoxon's signed-rank test), and how often a search came there."
    )
    config, reports = recordings()
    surrogate = SurrogateCurves(reports, SearchSpace(config.space))
    head += (
        f" Recorded: {reports['config'].nunique()} trainings; predictions of each from all others explain "
        f"{surrogate.explained:.0%} of the variance of the final EER's logit."
    )
    path, packages = arguments.output / "search-efficiency.md", ("ray", "optuna", "scipy")
    lines = [head, "", *tables(results)]
    write_page(path, "Search efficiency", __doc__ or "", packages, arguments.command, lines)


if __name__ == "__main__":
    main()
