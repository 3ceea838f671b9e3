"""How far a detector may depart from the trained model, and what was beyond."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field

from cluster.settings import Settings
from deploy.parity.row import INT8, ONNX, PRUNED_INT8, STREAMED, STREAMED_INT8, STREAMED_PRUNED_INT8, Row

_TRACED = "report it with the model's model.json; another architecture may be exported meanwhile"
_ROUNDED = "give --weights-only, which computes in float; more calibration audio; or raise the gate"
_PRUNED = "prune less, train on for longer (`spoofsweep prune --passes`), give --weights-only, or raise the gate"
_LARGE = "prune it (`spoofsweep prune --size-kb`) and give --pruned, train a smaller model, or raise the gate"
_SLOW = "prune it (`spoofsweep prune --latency-ms`) and give --pruned, measure on a quiet machine, or raise the gate"


class Gates(Settings):
    """Limits; a row beyond one fails the report. Rates and their changes are fractions."""

    max_onnx_difference: float = Field(default=1e-3, ge=0.0)
    """Between the scores of the exported file and of the trained model, both in float32."""
    max_stream_difference: float = Field(default=1e-5, ge=0.0)
    """Between the mean score of a stream, however it is cut, and of the whole file at once, both in float32."""
    max_int8_eer: float = Field(default=0.001)
    """By which the EER may rise in eight bits. Like the next, it is not kept where the rise is more than that beyond
    chance: where the whole 95% interval of the paired change lies above it."""
    max_pruned_int8_eer: float = Field(default=0.003)
    """By which the EER may rise if the network is pruned as well."""
    max_size_kb: float | None = Field(default=None, gt=0.0)
    """Thousands of bytes of the last file of the chain, which one would deploy; none is no limit."""
    max_latency_ms: float | None = Field(default=None, gt=0.0)
    """99th percentile of the last file's time for a chunk of 0.1 s (a window, if it is not for streams)."""


@dataclass(frozen=True)
class Check:
    """A row beside one of its gates."""

    row: str
    gate: str
    value: float
    limit: float
    remedy: str

    @property
    def is_kept(self) -> bool:
        # What is not a number keeps no gate.
        return self.value <= self.limit

    def __str__(self) -> str:
        return f"{self.row}: {self.gate} is {self.value:.3g}, beyond {self.limit:g}; {self.remedy}"


def breaches(rows: Sequence[Row], gates: Gates) -> tuple[Check, ...]:
    """All that is beyond a gate, in the order of the chain."""
    return tuple(check for check in checks(rows, gates) if not check.is_kept)


def checks(rows: Sequence[Row], gates: Gates) -> Iterator[Check]:
    """Every row beside each of its gates; rows that are missing, and gates without a limit, are not in it."""
    by_name = {row.name: row for row in rows}
    for name, gate in ((ONNX, "max_onnx_difference"), (STREAMED, "max_stream_difference")):
        if name in by_name:
            yield Check(name, gate, by_name[name].max_difference, getattr(gates, gate), _TRACED)
    for name in (INT8, STREAMED_INT8):
        if name in by_name:
            yield Check(name, "max_int8_eer", by_name[name].change_low, gates.max_int8_eer, _ROUNDED)
    for name in (PRUNED_INT8, STREAMED_PRUNED_INT8):
        if name in by_name:
            yield Check(name, "max_pruned_int8_eer", by_name[name].change_low, gates.max_pruned_int8_eer, _PRUNED)
    last = rows[-1]
    if gates.max_size_kb is not None:
        yield Check(last.name, "max_size_kb", last.num_bytes / 1000, gates.max_size_kb, _LARGE)
    if gates.max_latency_ms is not None:
        yield Check(last.name, "max_latency_ms", last.p99_ms, gates.max_latency_ms, _SLOW)
