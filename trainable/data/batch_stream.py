"""The batches of a training, collected ahead where they come from files while a GPU computes.

Legend: B batch, T frames, F feature bins.
"""

from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from trainable.data.feature_store import FeatureStore
from trainable.data.frames import to_device
from trainable.data.pass_plan import Draw, PassPlan


class BatchStream:
    """Features and classes of any batch of a `PassPlan`, a pure function of the samples seen before it.

    Args:
        store: the training split.
        plan: draws from it.
        crop_frames: length of a crop, in frames.
    """

    def __init__(self, store: FeatureStore, plan: PassPlan, crop_frames: int) -> None:
        self._store, self._plan, self._crop_frames = store, plan, crop_frames
        is_streamed = store.frames.placement.kind == "streamed"
        self._thread = ThreadPoolExecutor(1, "batches") if is_streamed else None
        self._ahead: tuple[int, Future[tuple[Draw, Tensor]]] | None = None

    def batch(self, samples_seen: int) -> tuple[Tensor, Tensor]:
        """``feat_BTF`` (float32) and ``label_B`` of the batch that follows after ``samples_seen``, on the device."""
        draw, half_BTF = self._collected(samples_seen)
        if self._thread is not None:
            following = samples_seen + len(draw.view)
            self._ahead = following, self._thread.submit(self._collect, following)
        frames = self._store.frames
        return frames.send(half_BTF), to_device(self._store.label_U[draw.utterance], frames.device)

    def _collected(self, samples_seen: int) -> tuple[Draw, Tensor]:
        if self._ahead is None:
            return self._collect(samples_seen)
        number, future = self._ahead
        # A thread that raised is heard here. What is ahead is another batch after a rehearsal or a resume.
        collected = future.result()
        return collected if number == samples_seen else self._collect(samples_seen)

    def _collect(self, samples_seen: int) -> tuple[Draw, Tensor]:
        draw = self._plan.batch(samples_seen)
        half_BTF = self._store.collect(draw.view, draw.start, self._crop_frames)
        if self._thread is not None and self._store.frames.device.type == "cuda":
            half_BTF = half_BTF.pin_memory()
        return draw, half_BTF
