"""Which layout a folder has."""

from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.corpora import LAYOUTS
from data_prep.corpora.layout import Layout, contents


def recognise(root: Path) -> Layout:
    """The one layout of what lies in ``root``, or one level below.

    Raises:
        SpoofsweepError: there is none, or several.
    """
    found = [(layout, place) for layout in LAYOUTS.values() for place in layout.places(root)]
    best = [(layout, place) for layout, place in found if not layout.is_generic] or found
    if not best:
        marks = "".join(f"\n  {layout.name} would {layout.marks}" for layout in LAYOUTS.values())
        raise SpoofsweepError(
            f"a folder must have one of the known layouts:{marks}\n",
            f"{root} (with: {contents(root)})",
            "correct the path, or describe the corpus by a manifest",
        )
    if len(best) > 1:
        places = ", ".join(f"{layout.name} in {place}" for layout, place in best)
        raise SpoofsweepError("a folder must have one layout", f"several: {places}", "give one of them, or --layout")
    return best[0][0]
