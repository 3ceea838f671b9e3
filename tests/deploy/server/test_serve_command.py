"""The server as users start it: a process of its own."""

import datetime
import inspect
import ipaddress
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from small_graphs import write_stream_file, write_utterance_file
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from deploy.cli import app
from deploy.server.command import serve
from deploy.server.settings import ServerSettings

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


def test_https(exported, tmp_path):
    certificate, key = self_signed(tmp_path)
    with started(exported, "--tls-certificate", certificate, "--tls-key", key) as (_, address, _):
        assert address.startswith("https://127.0.0.1:")
        assert requests.get(f"{address}readyz", verify=certificate, timeout=5).json()["ready"]


def self_signed(folder):
    """PEM files of a certificate for this machine, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(private)
    return folder / "certificate.pem", folder / "key.pem"


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


def test_options_default_to_the_settings():
    """Written twice, as pydantic would double the program's start."""
    options = inspect.signature(serve).parameters
    shared = options.keys() & ServerSettings.model_fields
    assert len(shared) > 8
    assert {name: options[name].default for name in shared} == {
        name: ServerSettings.model_fields[name].default for name in shared
    }
