"""What all clients of a server share."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from deploy.server.gate import Gate
from deploy.server.metrics import Metrics
from deploy.server.scoring import Scoring
from deploy.server.settings import ServerSettings
from deploy.stream.detector import Detector


@dataclass
class Service:
    """A detector, the threads that run it, and who is admitted to it."""

    detector: Detector
    settings: ServerSettings
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.gate = Gate(self.settings, self.metrics)
        self.scoring = Scoring(self.detector, self.settings.threads)
        # Files take seconds: in a thread of their own, they keep no stream waiting.
        self.uploads = ThreadPoolExecutor(1, "uploads")

    def describe(self) -> dict[str, Any]:
        """What clients are told of detector and limits."""
        card, settings = self.detector.card, self.settings
        return {
            "name": card.name,
            "version": card.version,
            "architecture": card.architecture,
            "precision": card.precision,
            "form": card.form,
            "sample_rate": card.sample_rate,
            "threshold": self.detector.threshold,
            "max_chunk_bytes": settings.max_chunk_bytes,
            "max_stream_s": settings.max_stream_s,
            "max_upload_bytes": settings.max_upload_bytes,
            "asks_for_token": settings.token is not None,
        }

    def close(self) -> None:
        """Release the threads."""
        self.scoring.close()
        self.uploads.shutdown(wait=False)
