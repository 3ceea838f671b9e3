"""Who may come in: token, origin, and how many at a time."""

import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import Gauge

from deploy.server.metrics import Metrics
from deploy.server.refusal import Reason, RefusedError
from deploy.server.settings import ServerSettings


class Room:
    """Places that clients take and give back.

    Args:
        size: how many there are.
        whose: of what they are, in the plural.
        gauge: shows how many are taken.
    """

    def __init__(self, size: int, whose: str, gauge: Gauge | None = None) -> None:
        self.size = size
        self.taken = 0
        self._whose = whose
        self._gauge = gauge

    @property
    def is_full(self) -> bool:
        """Whether a further client would be refused."""
        return self.taken >= self.size

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place as long as the context lasts.

        Raises:
            RefusedError: there is none.
        """
        if self.is_full:
            raise RefusedError(
                Reason.FULL, f"the server takes {self.size} {self._whose} at a time", None, "try again later"
            )
        self._change(+1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, difference: int) -> None:
        self.taken += difference
        if self._gauge is not None:
            self._gauge.set(self.taken)


class Gate:
    """Admits clients, and counts those that are inside."""

    def __init__(self, settings: ServerSettings, metrics: Metrics) -> None:
        self._settings = settings
        self.streams = Room(settings.max_streams, "streams", metrics.streams_open)
        self.uploads = Room(settings.max_uploads, "files")
        self.newcomers = Room(settings.max_streams, "clients that have not begun their stream")

    def check_token(self, shown: str | None) -> None:
        """
        Raises:
            RefusedError: the server asks for a token, and this is not it.
        """
        wanted = self._settings.token
        if wanted is None:
            return
        if shown is None or not hmac.compare_digest(_encoded(shown), _encoded(wanted.get_secret_value())):
            found = "none" if shown is None else "another"
            raise RefusedError(Reason.TOKEN, "the server's token must be shown", found, "ask whoever runs the server")

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """A browser tells whose page connects; programs tell nothing and may.

        Raises:
            RefusedError: the page is neither the server's own nor allowed.
        """
        origin = headers.get("origin")
        if origin is None or origin in self._settings.allowed_origins:
            return
        if origin.partition("://")[2] != headers.get("host"):
            raise RefusedError(
                Reason.ORIGIN, "the page must be one that the server allows", origin, "start the server with --origin"
            )


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """The token of an ``Authorization: Bearer TOKEN`` header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _encoded(token: str) -> bytes:
    """JSON can spell what is no text."""
    return token.encode(errors="surrogatepass")
