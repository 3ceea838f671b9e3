"""What a logged model and a mobile converter are installed with, held against what their code imports."""

import ast
import json
import subprocess
import sys
from pathlib import Path

from deploy.packaging import REQUIREMENTS, ROOMS

LOADED = f"""
import importlib, json, sys
importlib.import_module(sys.argv[1])
modules = {{name: module for name, module in sys.modules.items() if name.split(".")[0] in {ROOMS!r}}}
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


def imported_with(module: str) -> set[str]:
    """Packages that the module, and those of ours that it imports, import."""
    files = json.loads(subprocess.check_output([sys.executable, "-c", LOADED, module], text=True))
    imported = set().union(*(imported_by(Path(file)) for file in files))
    return imported - set(ROOMS) - sys.stdlib_module_names


def test_all_that_loading_imports_is_declared():
    assert imported_with("deploy.pyfunc_model") == set(REQUIREMENTS)


def test_all_that_a_mobile_converter_imports_is_installed_for_it():
    assert imported_with("deploy.mobile.convert") == {"torch", "torchaudio", "numpy", "pydantic", "safetensors"}
