"""What a preparation made, as one HTML file beside the shards: counts, features, views to see and to hear.

Array names carry shapes: T samples, F frames, N feature bins, U utterances.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from rich.console import Console

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write_text
from data_prep.audit import plots
from data_prep.audit.gallery import Clip, ClipRow, make_clip
from data_prep.audit.html_page import render
from data_prep.audit.page import MOST_REJECTED
from data_prep.audit.signal import FloatArray
from data_prep.augmentation.scene import Scene
from data_prep.augmentation.view import make_view
from data_prep.decoding import DecodeError, read_audio
from data_prep.draws import rank
from data_prep.plan import Recipe
from data_prep.shards import ShardSet
from data_prep.utterance import LABELS, SPLITS, Utterance

_UTTERANCES_A_CLASS = 2
_MOST_VIEWS = 5
"""Shown of an utterance, so that the page stays light."""
_MOST_PROFILED = 200
"""Utterances of each class of each split whose features are read: a mean over more would look the same."""


@dataclass(frozen=True)
class Speed:
    """How fast a run of preparation was, shards of earlier runs left out."""

    audio_s: float
    """Seconds of audio made, all views together."""
    wall_s: float

    @property
    def times_real(self) -> float:
        """Seconds of audio a second."""
        return self.audio_s / self.wall_s


def page_path(output: Path, shard_set_id: str) -> Path:
    """Where the page of a shard set lies: beside its folder, since it is no part of what the identity tells."""
    return output / "shards" / f"{shard_set_id}.prep.html"


def leave_page(path: Path, shard_set: ShardSet, recipe: Recipe, speed: Speed | None, console: Console) -> None:
    """Write the page and say where it is; a failure is told as a warning, since the shards are worth more than it.

    Args:
        recipe: that of the shards, with the utterances in its corpus.
        speed: none where an earlier run made the shards.
    """
    try:
        atomic_write_text(path, _render(shard_set, recipe, speed))
    except (SpoofsweepError, DecodeError, OSError, RuntimeError, ValueError) as error:
        warning = f"the page {path} could not be drawn ({error}); the shards are complete"
        console.print(f"[yellow]warning:[/] {warning}", highlight=False, soft_wrap=True)
    else:
        console.print(f"Page with pictures: {path}", highlight=False, soft_wrap=True)


def _render(shard_set: ShardSet, recipe: Recipe, speed: Speed | None) -> str:
    index = shard_set.index
    manifest = shard_set.manifest
    return render(
        "prep.html.j2",
        manifest=manifest,
        settings=json.dumps(
            {"features": manifest.features.model_dump(), "augmentation": manifest.augmentation.model_dump()},
            indent=2,
            default=list,
        ),
        speed=speed,
        hours=float(index.duration_s.sum()) / 3600,
        splits=[(split, manifest.splits[split]) for split in SPLITS if split in manifest.splits],
        steps=step_counts(index),
        figures=_figures(shard_set),
        gallery=list(_gallery(shard_set, recipe)),
        rejected=shard_set.rejected,
        most_rejected=MOST_REJECTED,
    )


def step_counts(index: pandas.DataFrame) -> list[tuple[str, str, dict[str, tuple[int, float]]]]:
    """Policy, step, and by class: training views that the step was applied to, and their share of the policy's."""
    train = index[(index.split == "train") & (index.view > 0)]
    kinds = train.augmentation.map(lambda applied: sorted({step["step"] for step in json.loads(applied)}))
    totals = train.groupby(["policy", "label"]).size()
    counts = train.assign(step=kinds).explode("step").groupby(["policy", "step", "label"]).size()
    return [
        (
            policy,
            step,
            {
                label: (int(counts.get((policy, step, label), 0)), float(counts.get((policy, step, label), 0) / total))
                for label in LABELS
                if (total := totals.get((policy, label), 0))
            },
        )
        for policy, step in counts.groupby(level=["policy", "step"]).size().index
    ]


def _figures(shard_set: ShardSet) -> dict[str, str]:
    index = shard_set.index
    durations = {key: rows.duration_s.to_numpy(np.float64) for key, rows in index.groupby(["split", "label"])}
    profiles = {key: _means(shard_set, rows) for key, rows in index[index.view == 0].groupby(["split", "label"])}
    kind = shard_set.manifest.features.kind
    return {
        "durations": plots.histograms(plots.by_class(durations, SPLITS), "duration of a view (s)"),
        "features": plots.feature_profile(plots.by_class(profiles, SPLITS), f"bin of the {kind} features"),
    }


def _means(shard_set: ShardSet, rows: pandas.DataFrame) -> FloatArray:
    """Mean features ``[U, N]`` of utterances evenly drawn from ``rows``; shards are mapped, not read."""
    chosen = rows.iloc[:: -(-len(rows) // _MOST_PROFILED)]
    means = []
    for shard, members in chosen.groupby("shard"):
        frames_FN = shard_set.frames(int(shard))
        for row in members.itertuples():
            means.append(frames_FN[row.offset : row.offset + row.num_frames].float().mean(dim=0).numpy())
    return np.stack(means).astype(np.float64)


def _gallery(shard_set: ShardSet, recipe: Recipe) -> Iterator[ClipRow]:
    """Training utterances of both classes drawn by seed, each with its clean and augmented views."""
    kept = set(shard_set.index.utterance_id[shard_set.index.split == "train"])
    for label in LABELS:
        those = [
            u for u in recipe.corpus.utterances if u.split == "train" and u.label == label and u.utterance_id in kept
        ]
        rows: list[ClipRow] = []
        for utterance in sorted(those, key=lambda u: rank(recipe.config.seed, u.utterance_id)):
            if len(rows) == _UTTERANCES_A_CLASS:
                break
            if clips := tuple(_clips(utterance, recipe)):
                attack = f", {utterance.attack}" if label == "spoof" else ""
                rows.append(ClipRow(f"{plots.NAMES[label]}{attack}: {utterance.utterance_id}", label, clips))
        yield from rows


def _clips(utterance: Utterance, recipe: Recipe) -> Iterator[Clip]:
    """The views of an utterance; none where it cannot be read any more."""
    config = recipe.config
    rate = config.features.sample_rate
    path = recipe.conversions.converted.get(utterance.path, utterance.path)
    try:
        wave_T = read_audio(path, rate, max_duration_s=config.corpus.max_duration_s).wave
    except (DecodeError, FileNotFoundError):
        return
    yield make_clip("clean", [f"{len(wave_T) / rate:.2f} s"], wave_T, rate)
    scene = Scene(rate, recipe.recordings)
    for number in range(1, min(config.augmentation.num_views, _MOST_VIEWS) + 1):
        view = make_view(wave_T, scene, config.augmentation, config.seed, utterance.utterance_id, number)
        facts = [f"{len(view.wave) / rate:.2f} s", *(_step(step) for step in view.steps)]
        yield make_clip(f"view {number}: {view.policy}", facts, view.wave, rate)


def _step(step: Mapping[str, Any]) -> str:
    """A step and what it drew, on one line."""
    drawn = ", ".join(f"{name} {_short(value)}" for name, value in step.items() if name != "step")
    return f"{step['step']}: {drawn}" if drawn else step["step"]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
