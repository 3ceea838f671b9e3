"""What a command needs and a light installation lacks is said, with the extra that brings it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.errors import SpoofsweepError

_ROOMS = {"search", "deploy", "trainable", "data_prep", "cluster"}
_SERVER = ("fastapi", "uvicorn", "websockets", "prometheus_client")
_EXTRAS = {"onnxruntime": "detect"} | dict.fromkeys(_SERVER, "serve")
"""That bring a package; the others come with ``sweep``."""


@contextmanager
def missing_packages_told() -> Iterator[None]:
    """A package that cannot be imported, because it is not there, is the user's to install.

    Raises:
        SpoofsweepError: a package is missing that an extra would bring.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _ROOMS or package in sys.stdlib_module_names:
            raise  # our own mistake
        remedy = f"run pip install 'spoofsweep[{_EXTRAS.get(package, 'sweep')}]'"
        raise SpoofsweepError("the packages that a command needs must be installed", f"no {package}", remedy) from error
