"""The environments of converters, with a stand-in for uv: the real one downloads gigabytes."""

import os

import pytest

from cluster.errors import SpoofsweepError
from deploy.mobile.environment import environment_folder, environment_python, is_made
from deploy.mobile.formats import FORMATS

LITERT = FORMATS["litert"]
UV = """#!/bin/sh
echo "$@" >> {log}
test ! -e {fault} || {{ echo "no such version" >&2; exit 2; }}
test "$1" != venv || mkdir -p "$5"
"""


@pytest.fixture
def uv(tmp_path, monkeypatch):
    """A program that notes how it was called, and fails as long as the file ``fault`` is there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log, fault = tmp_path / "log", tmp_path / "fault"
    program = folder / "uv"
    program.write_text(UV.format(log=log, fault=fault))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("SPOOFSWEEP_CACHE", str(tmp_path / "cache"))
    return log, fault


def test_it_is_installed_once_and_told_of_before(uv, tmp_path):
    log, _ = uv
    said = []
    python = environment_python(LITERT, said.append)
    assert python == environment_folder(LITERT) / "bin" / "python"
    assert python.is_relative_to(tmp_path / "cache")
    venv, install = log.read_text().splitlines()
    assert venv.startswith("venv")
    assert str(environment_folder(LITERT)) in venv
    assert install.startswith(f"pip install --python {python} --constraint {LITERT.constraints}")
    assert install.endswith(" ".join(LITERT.packages))
    (text,) = said
    assert "litert-torch" in text
    assert "GB" in text
    assert environment_python(LITERT, said.append) == python
    assert len(said) == 1
    assert len(log.read_text().splitlines()) == 2


def test_a_failed_installation_is_told_and_tried_again(uv):
    _, fault = uv
    fault.touch()
    with pytest.raises(SpoofsweepError, match="no such version"):
        environment_python(LITERT, lambda _: None)
    assert not is_made(LITERT)
    fault.unlink()
    environment_python(LITERT, lambda _: None)
    assert is_made(LITERT)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS.keys())
def test_every_package_has_its_version(form):
    pinned = dict(line.split("==") for line in form.constraints.read_text().splitlines())
    assert set(form.packages) <= pinned.keys()
    assert pinned["torch"] == pinned["torchaudio"] == "2.11.0"
