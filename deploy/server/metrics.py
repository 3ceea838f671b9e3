"""What a monitoring system reads from the server."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from deploy.server.refusal import Reason

_LATENCIES_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """One server's figures, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self.streams_open = Gauge("spoofsweep_streams_open", "Streams being scored.", registry=self._registry)
        audio_s = Counter("spoofsweep_audio_seconds", "Audio that was scored.", ["source"], registry=self._registry)
        self.streamed_s, self.uploaded_s = audio_s.labels("stream"), audio_s.labels("upload")
        self.chunk_latency_s = Histogram(
            "spoofsweep_chunk_latency_seconds",
            "From the receipt of a stream's chunk to the scores that it completes.",
            buckets=_LATENCIES_S,
            registry=self._registry,
        )
        self._rejected = Counter("spoofsweep_rejected", "Clients turned away.", ["reason"], registry=self._registry)
        for reason in Reason:  # a rate wants a series from the start
            self._rejected.labels(reason.label)

    def reject(self, reason: Reason) -> None:
        """Count a client that is turned away."""
        self._rejected.labels(reason.label).inc()

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)
