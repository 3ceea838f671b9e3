"""The server as users start it: a process of its own."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests
from small_graphs import write_stream_file, write_utterance_file
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from deploy.cli import app

PROGRAM = [sys.executable, "-c", "from deploy.cli import app; app()", "serve"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder as `export` leaves it."""
    folder = tmp_path_factory.mktemp("exported")
    write_stream_file(folder / "stream.onnx")
    write_utterance_file(folder / "utterance.onnx")
    return folder


@contextmanager
def started(*arguments, **environment):
    """The process, and the address that it tells."""
    command = [*PROGRAM, *map(str, arguments), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | environment) as process:
        try:
            lines = []
            while not (told := re.search(r"https?://\S+/", line := process.stderr.readline())):
                assert line, f"the server ended: {lines}"
                lines.append(line)
            yield process, told[0], "".join(lines)
        finally:
            process.kill()


def test_it_serves_until_told_to_end(exported):
    with started(exported) as (process, address, _):
        assert address.startswith("http://127.0.0.1:")
        assert requests.get(f"{address}v1/detector", timeout=5).json()["form"] == "stream"
        assert "<canvas" in requests.get(address, timeout=5).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM)


def test_the_token_comes_from_the_environment(exported):
    with started(exported / "utterance.onnx", SPOOFSWEEP_SERVER_TOKEN="open-sesame") as (_, address, _):
        assert requests.get(f"{address}metrics", timeout=5).status_code == 401
        bearer = {"Authorization": "Bearer open-sesame"}
        assert requests.get(f"{address}metrics", headers=bearer, timeout=5).status_code == 200


def test_everybody_without_a_token_is_warned_about(exported):
    with started(exported, "--host", "0.0.0.0") as (_, _, before):
        assert "SPOOFSWEEP_SERVER_TOKEN" in before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["champion"], "needs an exported detector"),
        (["gone.onnx"], "is an ONNX file"),
        (["FOLDER", "--tls-key", "key.pem"], "given together"),
        (["FOLDER", "--tls-key", "key.pem", "--tls-certificate", "gone.pem"], "certificate"),
        (["FOLDER", "--host", "192.0.2.1"], "one of this machine's"),
    ],
)
def test_mistakes(exported, arguments, words):
    result = CliRunner().invoke(app, ["serve", *(str(exported) if a == "FOLDER" else a for a in arguments)])
    assert isinstance(result.exception, SpoofsweepError)
    assert words in str(result.exception)
