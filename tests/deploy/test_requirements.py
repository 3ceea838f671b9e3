"""What a logged model and a mobile converter are installed with, held against what their code imports."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from deploy.export.detector_registry import REQUIREMENTS as DETECTOR_REQUIREMENTS
from deploy.packaging import REQUIREMENTS, ROOMS

ALL_ROOMS = ("search", *ROOMS)
LOADED = """
import json, sys
import {loading}
modules = {{name: module for name, module in sys.modules.items() if name.split(".")[0] in {rooms!r}}}
print(json.dumps([module.__file__ for module in modules.values()]))
"""


def imported_by(path: Path) -> set[str]:
    """Packages that the module imports as it is loaded."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def imported_for(loading: str) -> set[str]:
    """Packages that our own modules import when ``loading`` is imported, and all that these import."""
    code = LOADED.format(loading=loading, rooms=ALL_ROOMS)
    files = json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
    imported = set().union(*(imported_by(Path(file)) for file in files))
    return imported - set(ALL_ROOMS) - sys.stdlib_module_names


def test_all_that_loading_imports_is_declared():
    assert imported_for("deploy.pyfunc_model, deploy.torch_detector") == set(REQUIREMENTS)
    assert imported_for("deploy.pyfunc_model, deploy.stream.detector") == set(DETECTOR_REQUIREMENTS)


def test_detect_imports_what_its_installation_brings_and_no_more():
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["detect"]]
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in declared}
    assert imported_for("search.cli, deploy.stream.listening, deploy.verdicts") == names


def test_all_that_a_mobile_converter_imports_is_installed_for_it():
    assert imported_for("deploy.mobile.convert") == {"torch", "torchaudio", "numpy", "pydantic", "safetensors"}
