"""One plan entry to one shard file: decode, augment, extract features, write.

Tensor names carry shapes: T samples, F frames, N feature bins.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data_prep.atomic import atomic_write_text
from data_prep.augmentation import View, make_view
from data_prep.config import PrepConfig
from data_prep.decoding import Audio, DecodeError, read_audio
from data_prep.features import FrontEnd
from data_prep.plan import Recipe, ShardPlan
from data_prep.shards import Row, ShardInfo, shard_name, write_frames
from data_prep.utterance import Utterance
from data_prep.validation import Rejection, reject

CLEAN = "clean"
PARTS = "parts"
"""Folder of what finished shards contribute to the index, until all of them are there."""


@dataclass(frozen=True)
class ShardPart:
    """What a shard contributes to the shard set beside its file."""

    info: ShardInfo
    rows: list[Row]
    rejected: list[Rejection]

    @property
    def audio_s(self) -> float:
        """Seconds of audio in the shard, all views together."""
        return float(sum(row["duration_s"] for row in self.rows))


def build_shard(plan: ShardPlan, recipe: Recipe) -> None:
    """Make the shard of ``plan`` and then its part; a pure function of its arguments and the files that they name.

    Raises:
        SpoofsweepError: the disk is full, or a recorded noise is unusable.
    """
    frames = [torch.zeros(0, recipe.config.features.num_bins, dtype=torch.float16)]
    rows: list[Row] = []
    rejected: list[Rejection] = []
    offset = 0
    with _one_thread():
        front_end = FrontEnd(recipe.config.features)
        for utterance in plan.utterances:
            try:
                audio = _read(utterance, recipe)
            except DecodeError as error:
                rejected.append(reject(recipe.corpus, utterance, error.reason))
                continue
            for number, view in _views(utterance, audio, recipe):
                frames.append(_features(front_end, view, utterance))
                place = {"shard": plan.number, "offset": offset, "num_frames": len(frames[-1])}
                duration_s = len(view.wave) / recipe.config.features.sample_rate
                rows.append(_row(utterance, number, view, audio) | place | {"duration_s": duration_s})
                offset += len(frames[-1])
    info = write_frames(recipe.folder, plan.number, plan.split, torch.cat(frames), len(rows))
    _write_part(recipe.folder, plan.number, ShardPart(info, rows, rejected))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Tasks share the cores among themselves, and how a sum is split over threads could show in its last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def minimum_duration_s(config: PrepConfig) -> float:
    """The shortest utterance kept: the configured bound, and enough for one window after the fastest stretch."""
    window = (config.features.window_samples + config.features.hop_samples) / config.features.sample_rate
    return max(config.corpus.min_duration_s, window * max(1.0, config.augmentation.stretch.rate[1]))


def _read(utterance: Utterance, recipe: Recipe) -> Audio:
    conversions = recipe.conversions
    if utterance.path in conversions.failed:
        raise DecodeError(conversions.failed[utterance.path])
    config = recipe.config
    try:
        return read_audio(
            conversions.converted.get(utterance.path, utterance.path),
            config.features.sample_rate,
            min_duration_s=minimum_duration_s(config),
            max_duration_s=config.corpus.max_duration_s,
        )
    except FileNotFoundError as error:  # it was there when the corpus was checked
        raise DecodeError("file missing") from error


def _views(utterance: Utterance, audio: Audio, recipe: Recipe) -> Iterator[tuple[int, View]]:
    yield 0, View(audio.wave, CLEAN, {})
    if utterance.split != "train":
        return
    config, rate = recipe.config, recipe.config.features.sample_rate
    for number in range(1, config.augmentation.num_views + 1):
        name = utterance.utterance_id
        view = make_view(audio.wave, rate, config.augmentation, recipe.noises, config.seed, name, number)
        yield number, view


def _features(front_end: FrontEnd, view: View, utterance: Utterance) -> Tensor:
    with torch.inference_mode():
        feat_FN = front_end(torch.from_numpy(view.wave)[None])[0].to(torch.float16)
    if not torch.isfinite(feat_FN).all():
        raise ArithmeticError(
            f"utterance {utterance.utterance_id}, view {view.policy} {dict(view.drawn)}: features not finite"
        )
    return feat_FN


def _row(utterance: Utterance, number: int, view: View, audio: Audio) -> Row:
    return {
        "utterance_id": utterance.utterance_id,
        "corpus": utterance.corpus,
        "view": number,
        "split": utterance.split,
        "speaker": utterance.speaker,
        "attack": utterance.attack,
        "label": utterance.label,
        "policy": view.policy,
        "augmentation": json.dumps(dict(view.drawn), sort_keys=True),
        "notes": "; ".join(audio.notes),
    }


def _part_path(folder: Path, number: int) -> Path:
    return folder / PARTS / f"{shard_name(number)}.json"


def _write_part(folder: Path, number: int, part: ShardPart) -> None:
    values: dict[str, Any] = {
        "info": part.info.model_dump(),
        "rows": part.rows,
        "rejected": [asdict(rejection) for rejection in part.rejected],
    }
    atomic_write_text(_part_path(folder, number), json.dumps(values))


def read_part(folder: Path, number: int) -> ShardPart | None:
    """What shard ``number`` contributes; none while it is unfinished, or if its file has another size than recorded."""
    path = _part_path(folder, number)
    if not path.is_file():
        return None
    values = json.loads(path.read_text())
    info = ShardInfo(**values["info"])
    shard = folder / info.file
    if not shard.is_file() or shard.stat().st_size != info.num_bytes:
        return None
    return ShardPart(info, values["rows"], [Rejection(**rejection) for rejection in values["rejected"]])
