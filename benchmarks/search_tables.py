"""Tables of `search_efficiency.py`."""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from scipy.stats import wilcoxon
from search_race import COMPARED, LANDSCAPES, NAMES, POLICIES, RANDOM, Cell


def tables(results: Sequence[dict[str, Any]]) -> list[str]:
    """A table a landscape and size of random search, of all that was run there."""
    sections: dict[tuple[int, int], dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        cell = Cell(*result["cell"])
        sections[LANDSCAPES.index(cell.landscape), cell.num_random][cell.num_workers].append(result)
    lines = []
    for (place, num_random), by_workers in sorted(sections.items()):
        names = [
            name for name in NAMES if any(name in result["times"] for each in by_workers.values() for result in each)
        ]
        lines += [
            f"## {LANDSCAPES[place]}, against {num_random:,} trainings of random search",
            "",
            "| |" + "".join(f" {_workers(number)} |" for number in sorted(by_workers)),
            "|---|" + "---|" * len(by_workers),
            *(
                f"| {name} |" + "".join(f" {_cell(name, by_workers[n])} |" for n in sorted(by_workers))
                for name in names
            ),
            "",
            *_speed_ups(by_workers),
        ]
    return lines


def _workers(number: int) -> str:
    return f"{number} worker{'s' if number > 1 else ''}"


def _cell(name: str, all_results: Sequence[dict[str, Any]]) -> str:
    """How many times as fast as random search, p against random and stock, and how often it came there."""
    results = [result for result in all_results if name in result["times"]]
    if not results:
        return ""
    came = f"{sum(result['times'][name] is not None for result in results)} of {len(results)}"
    if name == RANDOM:
        return f"1; {came}"
    taken = [_seconds(result, name) for result in results]
    ratio = _mean_ratio([_seconds(result, RANDOM) for result in results], taken)
    others = [other for other in (RANDOM, COMPARED[1]) if other != name]
    p = " and ".join(f"{_p([_seconds(result, other) for result in results], taken):.2g}" for other in others)
    return f"**{ratio:.2f}x**, p {p}; {came}"


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


def _speed_ups(by_workers: dict[int, list[dict[str, Any]]]) -> list[str]:
    """Of many workers over the fewest, on the same landscapes and so to the same targets."""
    name, fewest = next(iter(POLICIES)), min(by_workers)
    alone = {result["cell"][2]: result for result in by_workers[fewest] if name in result["times"]}
    parts = []
    for number, results in sorted(by_workers.items()):
        pairs = [(alone[r["cell"][2]], r) for r in results if name in r["times"] and r["cell"][2] in alone]
        if number > fewest and pairs:
            ratio = _mean_ratio([_seconds(a, name) for a, _ in pairs], [_seconds(b, name) for _, b in pairs])
            parts.append(f"{ratio:.1f} with {number}")
    return [f"Speed-up of {name} over its {_workers(fewest)}: {', '.join(parts)}.", ""] if parts else []
