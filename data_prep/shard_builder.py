"""One plan entry to one shard file: decode, augment, extract features, write.

Tensor names carry shapes: T samples, F frames, N feature bins.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from data_prep.augmentation.config import CLEAN
from data_prep.augmentation.scene import Scene
from data_prep.augmentation.view import View, make_view
from data_prep.config import PrepConfig
from data_prep.decoding import Audio, DecodeError, read_audio
from data_prep.features import FrontEnd
from data_prep.one_thread import one_thread
from data_prep.plan import Recipe, ShardPlan
from data_prep.remote_files import MISSING, local_copies
from data_prep.shard_part import ShardPart, write_part
from data_prep.shards import Row, index_table, write_frames
from data_prep.utterance import Utterance
from data_prep.validation import Rejection, reject

_LARGEST = torch.finfo(torch.float16).max


def build_shard(plan: ShardPlan, recipe: Recipe) -> float:
    """Make the shard of ``plan`` and then its part; a pure function of its arguments and the files that they name.

    Returns:
        Seconds of audio in the shard, all views together.

    Raises:
        SpoofsweepError: the disk is full, or a recorded noise or impulse response is unusable.
    """
    frames = [torch.zeros(0, recipe.config.features.num_bins, dtype=torch.float16)]
    rows: list[Row] = []
    rejected: list[Rejection] = []
    offset = 0
    with one_thread():  # tasks share the cores among themselves
        front_end = FrontEnd(recipe.config.features)
        for utterance, audio in _decoded(plan, recipe):
            if isinstance(audio, str):
                rejected.append(reject(recipe.corpus, utterance, audio))
                continue
            for number, view in _views(utterance, audio, recipe):
                frames.append(_features(front_end, view, utterance))
                place = {"shard": plan.number, "offset": offset, "num_frames": len(frames[-1])}
                duration_s = len(view.wave) / recipe.config.features.sample_rate
                rows.append(_row(utterance, number, view, audio) | place | {"duration_s": duration_s})
                offset += len(frames[-1])
    info = write_frames(recipe.folder, plan.number, _joined(frames))
    part = ShardPart(info, index_table(rows), rejected)
    write_part(recipe.folder, plan.number, part)
    return part.audio_s


def _joined(frames: list[Tensor]) -> Tensor:
    """The concatenation; ``frames`` is emptied, since together they are the largest thing a worker holds."""
    joined = torch.cat(frames)
    frames.clear()
    return joined


def _decoded(plan: ShardPlan, recipe: Recipe) -> Iterator[tuple[Utterance, Audio | str]]:
    """Every utterance of the plan with its audio, or with the reason why it has none."""
    converted, failed = recipe.conversions.converted, recipe.conversions.failed
    paths = [converted.get(utterance.path, utterance.path) for utterance in plan.utterances]
    for utterance, file in zip(plan.utterances, local_copies(paths), strict=True):
        if utterance.path in failed:
            yield utterance, failed[utterance.path]
        else:
            yield utterance, file if isinstance(file, str) else _read(file, plan.split, recipe.config)


def _read(file: Path, split: str, config: PrepConfig) -> Audio | str:
    try:
        return read_audio(
            file,
            config.features.sample_rate,
            min_duration_s=config.min_duration_s(split),
            max_duration_s=config.corpus.max_duration_s,
        )
    except DecodeError as error:
        return error.reason
    except FileNotFoundError:  # it was there when the corpus was checked
        return MISSING


def _views(utterance: Utterance, audio: Audio, recipe: Recipe) -> Iterator[tuple[int, View]]:
    yield 0, View(audio.wave, CLEAN, ())
    if utterance.split != "train":
        return
    config, scene = recipe.config, Scene(recipe.config.features.sample_rate, recipe.recordings)
    for number in range(1, config.augmentation.num_views + 1):
        yield number, make_view(audio.wave, scene, config.augmentation, config.seed, utterance.utterance_id, number)


def _features(front_end: FrontEnd, view: View, utterance: Utterance) -> Tensor:
    with torch.inference_mode():
        feat_FN = front_end(torch.from_numpy(view.wave)[None])[0]
        low, high = feat_FN.aminmax()  # several times as fast as isfinite; not a number passes through
    if not max(-low.item(), high.item()) <= _LARGEST:
        raise ArithmeticError(
            f"utterance {utterance.utterance_id}, view {view.policy} {list(view.steps)}: features not finite"
        )
    return feat_FN.to(torch.float16)


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
        "augmentation": json.dumps(view.steps),
        "channel": json.dumps(dict(utterance.channel), sort_keys=True, ensure_ascii=False),
        "notes": "; ".join(audio.notes),
    }
