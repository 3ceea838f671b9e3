"""Tables of `search_efficiency.py`."""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from scipy.stats import wilcoxon
from search_race import COMPARED, LANDSCAPES, NAMES, POLICIES, RANDOM


def tables(results: Sequence[dict[str, Any]]) -> list[str]:
    """A table a landscape, of all that was run there."""
    lines = []
    for landscape in LANDSCAPES:
        by_workers = defaultdict(list)
        for result in results:
            if result["cell"][0] == landscape:
                by_workers[result["cell"][1]].append(result)
        if not by_workers:
            continue
        names = [
            name for name in NAMES if any(name in result["times"] for each in by_workers.values() for result in each)
        ]
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
        ]
        if 1 in by_workers:
            lines += [f"Speed-up of {next(iter(POLICIES))} over its one worker: {_speed_ups(by_workers)}.", ""]
    return lines


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
    return ", ".join(parts) or "not known"
