"""Time during which something was at work, of spans that may overlap."""

from collections.abc import Iterable


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of spans, each its start and end."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
