"""The levels of a pruned model as a table."""

from collections.abc import Sequence

from rich.table import Table

from deploy.compress.pruning import Level, Rate


def level_table(levels: Sequence[Level]) -> Table:
    """A row a level, EERs in percent with their intervals; the first is the model to begin with."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("level", no_wrap=True)
    for name in ("parameters", "kB", "ms", "dev EER %, cut", "fine-tuned"):
        table.add_column(name, justify="right", no_wrap=True)
    for level in levels:
        footprint = level.footprint
        sizes = (f"{footprint.num_parameters:,}", f"{footprint.size_kb:.1f}", f"{footprint.latency_ms:.2f}")
        table.add_row(level.name, *sizes, _shown(level.before), _shown(level.after))
    return table


def _shown(rate: Rate) -> str:
    return f"{100 * rate.eer:.2f} ({100 * rate.low:.2f}-{100 * rate.high:.2f})"
