"""Why the server turns a client away, and how it says so over HTTP and over a WebSocket."""

from enum import Enum
from typing import Any

from cluster.errors import SpoofsweepError


class Reason(Enum):
    """Label in the metrics, HTTP status, and close code of a WebSocket (RFC 6455, section 7.4.1, and its registry)."""

    TOKEN = ("token", 401, 1008)
    ORIGIN = ("origin", 403, 1008)
    FULL = ("full", 503, 1013)
    MESSAGE = ("message", 400, 1008)
    CHUNK = ("chunk", 400, 1007)
    AUDIO = ("audio", 422, 1007)
    TOO_LARGE = ("too_large", 413, 1009)
    TOO_LONG = ("too_long", 413, 1008)
    IDLE = ("idle", 408, 1008)
    SLOW_READER = ("slow_reader", 408, 1008)

    def __init__(self, label: str, http_status: int, close_code: int) -> None:
        self.label, self.http_status, self.close_code = label, http_status, close_code


class RefusedError(Exception):
    """A client is turned away; nobody else notices."""

    def __init__(self, reason: Reason, rule: str, value: object = None, remedy: str | None = None) -> None:
        self.reason, self.rule, self.value, self.remedy = reason, rule, value, remedy
        super().__init__(str(SpoofsweepError(rule, value, remedy)))

    @classmethod
    def of(cls, reason: Reason, error: SpoofsweepError) -> "RefusedError":
        """What the detector or the settings found wrong, told to the client."""
        return cls(reason, error.rule, error.value, error.remedy)

    def to_message(self) -> dict[str, Any]:
        """The JSON object that a client gets."""
        value = None if self.value is None else str(self.value)
        message = {"reason": self.reason.label, "rule": self.rule, "value": value, "remedy": self.remedy}
        return {"type": "error"} | message
