"""What the server allows."""

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from cluster.settings import Settings


class ServerSettings(Settings):
    """Address and limits of one server."""

    host: str = "127.0.0.1"
    """Address to listen on; by default this machine alone can connect."""
    port: int = Field(default=8765, ge=0, le=65535)
    """TCP port; 0 takes any that is free."""
    max_streams: int = Field(default=200, ge=1)
    """Streams at a time; further ones are refused until one ends."""
    max_chunk_bytes: int = Field(default=1_000_000, ge=1_000)
    """Of one message with samples."""
    max_stream_s: float = Field(default=4 * 3600.0, gt=0)
    """Seconds that a stream may last, by its audio and by the clock."""
    idle_timeout_s: float = Field(default=30.0, gt=0, le=24 * 3600.0)
    """Seconds after which a stream ends whose client sends nothing, or takes nothing that it is sent."""
    max_upload_bytes: int = Field(default=50_000_000, ge=1_000)
    """Of one file sent to be scored."""
    max_upload_s: float = Field(default=3600.0, gt=0)
    """Seconds of audio in one file, once decoded."""
    max_uploads: int = Field(default=4, ge=1)
    """Files at a time, received and scored."""
    allowed_origins: tuple[str, ...] = ()
    """Origins (``https://host``) of pages that may use the server, beside its own page."""
    threads: int = Field(default=1, ge=1)
    """Threads that score streams; more than the processor's cores do not help."""
    token: SecretStr | None = None
    """What clients must show as bearer token; none asks for nothing."""
    tls_certificate: Path | None = None
    """PEM file: the page hears a microphone only over HTTPS or on this machine."""
    tls_key: Path | None = None
    """PEM file of the certificate's private key."""

    @model_validator(mode="after")
    def _certificate_with_key(self) -> "ServerSettings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key must be given together")
        return self

    @property
    def scheme(self) -> str:
        """Of the page's address."""
        return "https" if self.tls_certificate else "http"
