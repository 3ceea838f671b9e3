"""Why a file gives no usable audio."""

TOO_SHORT = "too short"
"""How the reason begins where a file is sound but shorter than asked for."""


class DecodeError(Exception):
    """A file holds no usable audio.

    Args:
        reason: why, in a form that is the same on every machine (no paths).
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class UnknownFormatError(DecodeError):
    """libsndfile cannot read the file; conversion, which has ffmpeg, perhaps can."""
