"""The server as a process: its socket, and uvicorn on it."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from deploy.server.app import create_app
from deploy.server.settings import ServerSettings
from deploy.stream.detector import Detector

Told = Callable[[str], None]
_GRACE_S = 5
"""For requests under way when the server is told to end."""
_BUFFER_BYTES = 2**17
"""Of the kernel, for each direction of a connection."""
_SPARE_CONNECTIONS = 64
"""Beyond streams and uploads: for the page, probes, and those that are turned away."""


def serve_file(path: Path, threshold: float | None, settings: Mapping[str, Any], on_listening: Told) -> None:
    """Serve an exported file; see `serve`.

    Args:
        threshold: replaces the file's.
        settings: of `ServerSettings`.
    """
    chosen = parse_settings(ServerSettings, settings, "serve")
    serve(Detector.load(path, threshold), chosen, on_listening)


def serve(detector: Detector, settings: ServerSettings, on_listening: Told) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        on_listening: told the address of the page once clients can connect.

    Raises:
        SpoofsweepError: the address is taken, or not one of this machine's, or the certificate cannot be used.
    """
    config = uvicorn_config(detector, settings)
    try:
        config.load()
    except OSError as error:
        raise SpoofsweepError(
            "certificate and key must be PEM files that belong together",
            f"{settings.tls_certificate}, {settings.tls_key} ({error})",
            "check --tls-certificate and --tls-key",
        ) from error
    with listen(settings) as listener:
        host, port = listener.getsockname()[:2]
        on_listening(f"{settings.scheme}://{f'[{host}]' if ':' in host else host}:{port}/")
        uvicorn.Server(config).run(sockets=[listener])


def uvicorn_config(detector: Detector, settings: ServerSettings) -> uvicorn.Config:
    """How the server runs: no compression of samples, and a bound on everything."""
    return uvicorn.Config(
        create_app(detector, settings),
        ws="websockets-sansio",
        # A chunk somewhat too large still gets an error that says so.
        ws_max_size=2 * settings.max_chunk_bytes,
        ws_per_message_deflate=False,
        # Whoever sends no samples is left anyway, by the session.
        ws_ping_interval=None,
        limit_concurrency=2 * (settings.max_streams + settings.max_uploads) + _SPARE_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_S,
        log_level="warning",
        server_header=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )


def listen(settings: ServerSettings) -> socket.socket:
    """A listening socket; connections inherit its small buffers, and end when a client takes nothing for long.

    Raises:
        SpoofsweepError: the address is taken, or not one of this machine's.
    """
    try:
        family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=1024)
    except OSError as error:
        raise SpoofsweepError(
            "the server's address must be free and one of this machine's",
            f"{settings.host}, port {settings.port} ({error.strerror})",
            "choose another by --host and --port",
        ) from error
    # By itself the kernel would keep megabytes a connection for those who send too fast, or read too slowly.
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        listener.setsockopt(socket.SOL_SOCKET, buffer, _BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; uvicorn would wait for such a client as long as it lives
        patience_ms = int(2000 * settings.idle_timeout_s)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
    return listener
