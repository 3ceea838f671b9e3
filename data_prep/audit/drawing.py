"""Figures as data URIs: drawn without a display, and nothing in them is fetched from elsewhere."""

import base64
import io
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib
from matplotlib.figure import Figure

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "spoofsweep",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,  # names of attacks may hold dollar signs
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
}


def svg_uri(draw: Callable[[], Figure], settings: Mapping[Any, Any] | None = None) -> str:
    """A figure as the data URI of an SVG file.

    Args:
        settings: of matplotlib, beside the common ones.
    """
    with matplotlib.rc_context({**_SETTINGS, **(settings or {})}):
        buffer = io.BytesIO()
        # Without a date, so that the same figure gives the same bytes.
        draw().savefig(buffer, format="svg", metadata={"Date": None})
    return data_uri("image/svg+xml", buffer.getvalue())


def data_uri(media_type: str, data: bytes) -> str:
    """``data`` as the address of itself."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
