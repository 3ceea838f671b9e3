"""How soon a search finds what random search finds: random search, stock Ray ASHA with OptunaSearch, and spoofsweep by
sampler and by rung policy, over learning curves in virtual time.

    python benchmarks/search_efficiency.py [--seeds 50] [--workers 1 8 64 512] [--curves benchmarks/curves/NAME.parquet
        --study benchmarks/studies/NAME.toml] [--searches NAME ...] [--jobs 2] [--output results/reference]

The target is what random search comes to: it trains `--trials` configurations to their end, at least two a worker,
and picks the one whose measured EER is best; the target is that one's EER without the noise of validation. A search has
come there when the trial that it would pick so far is as good. Random search itself runs against it with another seed
and up to twice as many trials; the time that these take is the limit of all searches. One that has not come there
within it, or within four times the trials, counts with the limit, which is too little: such counts stand beside ratios.

PASHA need not train any trial to its end: its pick is the best of those that came furthest, and counts from when it
would have come to its end, too, had it gone on; what it then reaches is what it is judged by.

Everything runs through the code of a real sweep: ours through conductor, ledger, sampler and pruner, the stock one
through Ray's own scheduler and Ray's own searcher, told what Ray Tune's controller tells them.

Landscapes are the synthetic families of `search.synthetic_curves` over the study's space, one by seed, or with
`--curves` recorded trainings. What is finished lies in OUTPUT/search-efficiency.jsonl: the same command goes on, and
one that names further searches adds them.
"""

import argparse
import json
import math
import multiprocessing
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import optuna
from machine import machine_facts, parse_arguments
from scipy.stats import wilcoxon
from stock_sweep import StockSweep

from search.config import StudyConfig
from search.curves import Curves
from search.horizon import Horizon, horizon_of
from search.recorded_curves import RecordedCurves, read_curves, recorded_passes
from search.simulator import SimulatedTrial, simulate
from search.space import SearchSpace
from search.study import find_study, load_study
from search.synthetic_curves import FAMILIES, SyntheticCurves
from search.virtual_sweep import virtual_sweep

SAMPLES_PER_PASS = 25_380
NUM_DEV = (2_548, 22_296)
"""ASVspoof 2019 LA."""
FIRST_RUNG_SHARE = "first_rung_share"
"""Of the budget, in the place of ``first_rung_passes``."""
NINTH, FIRST_PASS = {"rung_trust": False}, {"rung_trust": False, "first_rung_passes": 1.0}
POLICIES: dict[str, dict[str, Any]] = {
    "spoofsweep (TPE, rungs on trust)": {},
    "CMA-ES, rungs on trust": {"sampler": "cmaes"},
    "GP, rungs on trust": {"sampler": "gp"},
    "QMC, rungs on trust": {"sampler": "qmc"},
    "random, rungs on trust": {"sampler": "random"},
    "TPE, first rung at a ninth": NINTH,
    "TPE, first rung at the first pass": FIRST_PASS,
    "TPE, first rung at a third": {"rung_trust": False, FIRST_RUNG_SHARE: 1 / 3},
    "TPE, PASHA": {"pruning": "pasha"},
    "TPE, no pruning": {"pruning": "none"},
}
"""Ours, by what differs from a study's defaults; in the demo study the first pass is a 27th of the budget."""
STOCK = {"stock Ray, first rung at the first pass": 1, "stock Ray, first rung at a ninth": 3}
"""Grace period in reports."""
RANDOM = "random search"
RANDOM_SEARCH = {"sampler": "random", "pruning": "none"}
OTHER_SEEDS = 1_000_000
"""Added to a seed where something is to be drawn anew."""
NAMES = (RANDOM, *STOCK, *POLICIES)
COMPARED = (RANDOM, next(iter(STOCK)), next(iter(POLICIES)))
"""In every table."""
MOST_TRIALS = 4
"""Times those of random search that set the target."""


@dataclass(frozen=True)
class Cell:
    """One landscape, number of workers and seed: what a process works on."""

    landscape: str
    num_workers: int
    seed: int
    num_trials: int
    """Of random search that sets the target, unless the workers ask for more."""
    study: str
    curves: Path | None

    @property
    def key(self) -> list[Any]:
        return [self.landscape, self.num_workers, self.seed, self.num_trials]


@dataclass(frozen=True)
class Race:
    """Where the searches of a cell run."""

    config: StudyConfig
    samples_per_pass: int
    curves: Curves
    num_workers: int
    seed: int

    def sweep(self, num_trials: int, **search: Any) -> Iterable[SimulatedTrial]:
        """Ours, with other settings than the study's."""
        config = self._config(num_trials, **search)
        return virtual_sweep(config, self.horizon(config), self.curves, self.num_workers, self.seed)

    def rungs(self, **search: Any) -> Sequence[int]:
        """Where such a sweep judges its trials."""
        return self.horizon(self._config(1, **search)).rungs

    def _config(self, num_trials: int, **search: Any) -> StudyConfig:
        # Made-up landscapes know nothing of what is good in the field.
        settings = {"num_trials": num_trials, "start_from_defaults": False, "prior_share": 0.0, **search}
        if FIRST_RUNG_SHARE in settings:
            settings["first_rung_passes"] = settings.pop(FIRST_RUNG_SHARE) * self.config.trial.budget_passes
        return self.config.model_copy(update={"search": type(self.config.search).model_validate(settings)})

    def stock(self, num_trials: int, grace_period: int) -> Iterable[SimulatedTrial]:
        trial = self.config.trial
        num_reports = math.ceil(trial.budget_passes / trial.report_passes)
        source = StockSweep(SearchSpace(self.config.space), num_trials, num_reports, grace_period, 3, self.seed)
        return simulate(source, self.curves, self.num_workers)

    def horizon(self, config: StudyConfig) -> Horizon:
        return horizon_of(config, self.samples_per_pass)


def race_of(cell: Cell) -> Race:
    config = load_study(find_study(cell.study)).config
    space = SearchSpace(config.space)
    if cell.curves is not None:
        reports = read_curves(cell.curves)
        return Race(config, recorded_passes(reports), RecordedCurves(reports, space), cell.num_workers, cell.seed)
    curves = SyntheticCurves(
        space,
        horizon_of(config, SAMPLES_PER_PASS),
        FAMILIES[cell.landscape],
        cell.seed,
        report_passes=config.trial.report_passes,
        num_dev=NUM_DEV,
    )
    return Race(config, SAMPLES_PER_PASS, curves, cell.num_workers, cell.seed)


def picks(trials: Iterable[SimulatedTrial], rungs: Sequence[int] = ()) -> Iterable[tuple[float, float]]:
    """Whenever another trial would be picked: when it is trained to its end, and its EER there without noise.

    Args:
        trials: in the order in which they end.
        rungs: where those that were stopped may be picked too, the furthest first; none picks finished ones alone.
    """
    best = (0, math.inf)
    for trial in trials:
        reports = trial.curve.samples_seen
        is_stopped = trial.samples_seen < reports[-1]
        rank = (-sum(rung <= trial.samples_seen for rung in rungs) - trial.completed, trial.dev_eer)
        if (trial.completed or (rungs and is_stopped)) and rank < best:
            best = rank
            yield trial.start_s + float(trial.curve.seconds[-1]), float(trial.curve.expected_eer[-1])


def time_to(target: float, trials: Iterable[SimulatedTrial], limit_s: float, rungs: Sequence[int] = ()) -> float | None:
    """When the pick is as good as ``target``; none if not within the limit."""
    for end_s, eer in picks(_until(trials, limit_s), rungs):
        if eer <= target and end_s <= limit_s:
            return end_s
    return None


def _until(trials: Iterable[SimulatedTrial], limit_s: float) -> Iterable[SimulatedTrial]:
    for trial in trials:
        if trial.end_s > limit_s:
            return
        yield trial


def run_cell(cell: Cell, names: Sequence[str]) -> dict[str, Any]:
    """Virtual seconds to random search's result, by search; none where one did not come there."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    race = race_of(cell)
    num_random = max(cell.num_trials, 2 * cell.num_workers)
    rival = replace(race, seed=OTHER_SEEDS + race.seed)
    target = list(picks(rival.sweep(num_random, **RANDOM_SEARCH)))[-1][1]
    drawn = list(race.sweep(2 * num_random, **RANDOM_SEARCH))
    limit_s = max(trial.end_s for trial in drawn)
    times = {}
    for name in names:
        if name == RANDOM:
            times[name] = time_to(target, drawn, limit_s)
        elif name in STOCK:
            times[name] = time_to(target, race.stock(MOST_TRIALS * num_random, STOCK[name]), limit_s)
        else:
            settings = POLICIES[name]
            rungs = race.rungs(**settings) if settings.get("pruning") == "pasha" else ()
            times[name] = time_to(target, race.sweep(MOST_TRIALS * num_random, **settings), limit_s, rungs)
    return {"cell": cell.key, "target": target, "limit_s": limit_s, "times": times}


def run(cells: Sequence[Cell], names: Sequence[str], jobs: int, kept: Path) -> list[dict[str, Any]]:
    """Every cell's result; what lies in ``kept`` is taken from there."""
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
    return [results[json.dumps(cell.key)] for cell in cells]


def _merge(results: dict[str, dict[str, Any]], result: dict[str, Any]) -> None:
    known = results.setdefault(json.dumps(result["cell"]), result)
    known["times"] |= result["times"]


def _times(results: dict[str, dict[str, Any]], cell: Cell) -> dict[str, Any]:
    return results.get(json.dumps(cell.key), {"times": {}})["times"]


def tables(results: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    lines = []
    for landscape in dict.fromkeys(result["cell"][0] for result in results):
        by_workers = defaultdict(list)
        for result in results:
            if result["cell"][0] == landscape:
                by_workers[result["cell"][1]].append(result)
        lines += [
            f"## {landscape}",
            "",
            "| |" + "".join(f" {number} worker{'s' if number > 1 else ''} |" for number in sorted(by_workers)),
            "|---|" + "---|" * len(by_workers),
            *(
                f"| {name} |" + "".join(f" {_cell(name, by_workers[n])} |" for n in sorted(by_workers))
                for name in names
            ),
            "",
            f"Speed-up of {next(iter(POLICIES))} over its one worker: {_speed_ups(by_workers)}.",
            "",
        ]
    return lines


def _cell(name: str, results: Sequence[dict[str, Any]]) -> str:
    """How many times as fast as random search, p against stock and random, and how often it came there."""
    taken = [_seconds(result, name) for result in results]
    ratio = _mean_ratio([_seconds(result, RANDOM) for result in results], taken)
    came = sum(result["times"][name] is not None for result in results)
    against = {"random": RANDOM, "stock": COMPARED[1]}
    p = ", ".join(
        f"p {_p([_seconds(result, other) for result in results], taken):.2g} ({what})"
        for what, other in against.items()
        if other != name
    )
    if name == RANDOM:
        return f"1; {came} of {len(results)} came there"
    return f"**{ratio:.2f}x**, {p}" + (f"; {came} of {len(results)} came there" if came < len(results) else "")


def _seconds(result: dict[str, Any], name: str) -> float:
    taken = result["times"][name]
    return float(result["limit_s"] if taken is None else taken)


def _mean_ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """Geometric mean."""
    return math.exp(statistics.fmean(math.log(a / b) for a, b in zip(first, second, strict=True)))


def _p(first: Sequence[float], second: Sequence[float]) -> float:
    """Wilcoxon's signed-rank test of the logarithms, paired by seed, two-sided."""
    differences = [math.log(a / b) for a, b in zip(first, second, strict=True)]
    return float(wilcoxon(differences).pvalue) if any(differences) else 1.0


def _speed_ups(by_workers: dict[int, list[dict[str, Any]]]) -> str:
    """Where random search trains as many configurations, and so has the same target."""
    name = next(iter(POLICIES))
    alone = {result["cell"][2]: result for result in by_workers.get(1, ())}
    parts = []
    for number, results in sorted(by_workers.items()):
        pairs = [(alone[r["cell"][2]], r) for r in results if number > 1 and r["cell"][2] in alone]
        if pairs and all(a["target"] == b["target"] for a, b in pairs):
            ratio = _mean_ratio([_seconds(a, name) for a, _ in pairs], [_seconds(b, name) for _, b in pairs])
            parts.append(f"{ratio:.1f} with {number}")
    return ", ".join(parts) or "needs one worker and others with as many trials of random search"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64, 512])
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument(
        "--searches", nargs="+", default=list(NAMES), choices=list(NAMES), help="besides the main three"
    )
    parser.add_argument("--study", default="demo")
    parser.add_argument("--curves", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("results/reference"))
    arguments = parse_arguments(parser)
    arguments.output.mkdir(parents=True, exist_ok=True)
    landscapes = [arguments.curves.stem] if arguments.curves else arguments.families
    cells = [
        Cell(landscape, workers, seed, arguments.trials, arguments.study, arguments.curves)
        for seed, workers, landscape in product(range(arguments.seeds), arguments.workers, landscapes)
    ]
    names = [name for name in NAMES if name in COMPARED or name in arguments.searches]
    results = run(cells, names, arguments.jobs, arguments.output / "search-efficiency.jsonl")
    facts = ", ".join(f"{name} {value}" for name, value in machine_facts("ray", "optuna", "scipy").items())
    head = (
        f"{arguments.seeds} seeds; times as fast as random search (geometric mean), p by Wilcoxon's signed-rank test."
    )
    lines = ["# Search efficiency", "", f"`{arguments.command}`; {facts}", "", *(__doc__ or "").strip().splitlines()]
    text = "\n".join([*lines, "", head, "", *tables(results, names)])
    (arguments.output / "search-efficiency.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
