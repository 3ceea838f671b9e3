"""HTML files that hold all that they show: nothing in them is fetched from elsewhere."""

from typing import Any

import jinja2

from data_prep.audit.plots import COLOURS, NAMES
from data_prep.utterance import LABELS

_PACKAGE = "data_prep.audit"


def render(template: str, package: str = _PACKAGE, **values: Any) -> str:
    """A page from a template of a package, which may extend this one's ``base.html.j2``; every value is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader(_PACKAGE)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"labels": LABELS, "names": NAMES, "colours": COLOURS}
    return environment.get_template(template).render(values)
