"""The command that starts the server; imports nothing heavy before it is called."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cluster.errors import SpoofsweepError
from deploy.detector_folder import find_exported

TOKEN_VARIABLE = "SPOOFSWEEP_SERVER_TOKEN"
"""Environment variable with the token that clients must show; a command line would be seen by every process."""
_LOCAL_HOSTS = {"127.0.0.1", "::1", "localhost"}


def serve(
    model: Annotated[
        str, typer.Argument(metavar="MODEL.onnx|FOLDER", help="What `spoofsweep export` made; a folder's stream form.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for everybody's requests.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8765,
    threshold: Annotated[
        float | None, typer.Option(help="Scores above it are bona fide; else the validation set's EER point.")
    ] = None,
    max_streams: Annotated[int, typer.Option(min=1, help="Streams at a time.")] = 200,
    max_stream_s: Annotated[float, typer.Option(min=1.0, help="Longest stream, seconds.")] = 4 * 3600.0,
    idle_timeout_s: Annotated[
        float, typer.Option(min=0.1, help="Seconds after which a client is left that sends or takes nothing.")
    ] = 30.0,
    max_chunk_bytes: Annotated[int, typer.Option(min=1000, help="Of one message with samples.")] = 1_000_000,
    max_upload_bytes: Annotated[int, typer.Option(min=1000, help="Of one file.")] = 50_000_000,
    threads: Annotated[int, typer.Option(min=1, help="Threads that score streams.")] = 1,
    origin: Annotated[
        list[str] | None, typer.Option(help="https://HOST whose pages may use the server as well; repeatable.")
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="PEM file; browsers want HTTPS for a microphone.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of its private key.")] = None,
) -> None:
    """Serve an exported detector: files over HTTP, live streams over WebSocket, metrics, and a page that listens.

    A token that clients must show is taken from the environment variable SPOOFSWEEP_SERVER_TOKEN.
    """
    from deploy.server.run import serve_file

    token = os.environ.get(TOKEN_VARIABLE) or None
    values = {
        "host": host,
        "port": port,
        "max_streams": max_streams,
        "max_stream_s": max_stream_s,
        "idle_timeout_s": idle_timeout_s,
        "max_chunk_bytes": max_chunk_bytes,
        "max_upload_bytes": max_upload_bytes,
        "threads": threads,
        "allowed_origins": origin or [],
        "token": token,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
    }
    console = Console(stderr=True)
    if host not in _LOCAL_HOSTS and token is None:
        console.print(f"[yellow]warning:[/] anybody who reaches {host} may use the server: set {TOKEN_VARIABLE}")
    told = partial(console.print, highlight=False)
    serve_file(_exported(model), threshold, values, lambda address: told(f"Listening on {address}; Ctrl-C ends."))


def _exported(model: str) -> Path:
    path = find_exported(model, preferred="stream")
    if path is None:
        raise SpoofsweepError("serve needs an exported detector", model, "make one by `spoofsweep export`")
    return path
