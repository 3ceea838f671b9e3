"""The ready-made studies, known by their names; nothing is imported to list them."""

from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "studies"
"""Their folder."""


def shipped_names() -> str:
    """Names of the shipped studies, in order, with commas."""
    return ", ".join(sorted(path.stem for path in SHIPPED.glob("*.toml")))
