"""Attacks held out of training, to validate on what a detector has never met.

A pure function of the shards' index, applied when a trial opens them: all hold-outs and folds share one shard set.
With the attacks H held out,

- dev holds its own bona fide speech and its spoofs by H, no other spoofs;
- an attack of H that dev lacks is taken from train: a fifth of the speakers whom it imitates there move to dev, with
  their bona fide speech and their spoofs by such attacks, or all its spoofs where no speaker is known. Spoofs alone may
  not move: in dev every known voice would then be a spoof, and telling known voices apart would pass for detection;
- train holds neither spoofs by H nor any utterance of a speaker who stands in dev. Unknown speakers are not compared.

The evaluation split stays as it is.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field, field_validator, model_validator

from cluster.errors import SpoofsweepError
from cluster.settings import Settings, nearest
from data_prep.draws import generator, rank
from data_prep.utterance import LABELS, NO_ATTACK, UNKNOWN_ATTACK, UNKNOWN_SPEAKER

Folds = tuple[tuple[str, ...], ...]
"""Attacks held out, a group a model: empty without a policy, one group for a hold-out, several for folds."""

_ONE_SPEAKER_IN = 5
"""Moves to dev, of those whom an attack imitates that dev lacks."""


class HoldOutConfig(Settings):
    """Which attacks trials do not train on but are validated on; part of what a trial is, and never searched."""

    hold_out_attacks: int | tuple[str, ...] = ()
    """Names of training attacks, or how many to draw by the study's seed; the finalists do without them too."""
    folds: int = Field(default=1, ge=1)
    """Leave-attack-out folds a trial is averaged over, each a model of its own; finalists train on all attacks."""

    @field_validator("hold_out_attacks", mode="before")
    @classmethod
    def _names_or_number(cls, value: Any) -> Any:
        is_list = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
        if not is_list and not (type(value) is int and value > 0):
            raise ValueError('give a list of names, e.g. ["A05"], or how many to draw')
        return value

    @model_validator(mode="after")
    def _one_of_both(self) -> "HoldOutConfig":
        if self.hold_out_attacks and self.folds > 1:
            raise ValueError("give either hold_out_attacks or folds: folds hold every attack out once")
        return self


def resolve_folds(config: HoldOutConfig, utterances: pd.DataFrame, seed: int) -> Folds:
    """The attacks that each model of a trial does not train on.

    Drawn by ``seed`` where the settings leave a choice. Folds share the attacks of train so that each holds out about
    as many spoofs as the others. Attacks without a name are never held out: they might be any.

    Args:
        utterances: columns split, attack and view, from the shards' index or made from a corpus.
        seed: of the study.

    Raises:
        SpoofsweepError: an attack is not in train, all of them would be held out, or there are more folds than attacks.
    """
    if not config.hold_out_attacks and config.folds == 1:
        return ()
    counts = _attack_counts(utterances)
    rng = generator(seed, "held out")
    shuffled = [str(name) for name in rng.permutation(sorted(counts))]
    if config.folds > 1:
        return _balanced(shuffled, counts, config.folds)
    chosen = config.hold_out_attacks
    num_chosen = chosen if isinstance(chosen, int) else len(set(chosen))
    for name in () if isinstance(chosen, int) else chosen:
        if name not in counts:
            raise SpoofsweepError(
                "validation.hold_out_attacks must name attacks of train", f"'{name}'", nearest(name, list(counts))
            )
    if num_chosen >= len(counts):
        raise SpoofsweepError(
            "training must keep an attack",
            f"{num_chosen} of {len(counts)} held out",
            "lower validation.hold_out_attacks",
        )
    return (tuple(sorted(shuffled[:chosen] if isinstance(chosen, int) else set(chosen))),)


def hold_out(utterances: pd.DataFrame, attacks: tuple[str, ...]) -> pd.DataFrame:
    """The rows that remain when ``attacks`` are held out, ``split`` saying where each belongs now.

    Args:
        utterances: columns split, speaker, attack and label; a row a view or an utterance.
        attacks: names; none changes nothing.

    Raises:
        SpoofsweepError: train or dev is left without one of the classes.
    """
    if not attacks:
        return utterances
    split, attack, speaker = utterances["split"], utterances["attack"], utterances["speaker"]
    is_held, is_bonafide = attack.isin(attacks), utterances["label"] == "bonafide"
    is_known = speaker != UNKNOWN_SPEAKER
    dev = ((split == "dev") & (is_bonafide | is_held)) | _moved(utterances, attacks)
    stays = ~is_held & ~(is_known & speaker.isin(speaker[dev & is_known].unique()))
    train = (split == "train") & stays & ~dev
    chosen = utterances[train | dev | ~split.isin(("train", "dev"))]
    divided = chosen.assign(split=split.mask(dev, "dev"))
    _require_classes(divided, attacks)
    return divided


def samples_per_pass(utterances: pd.DataFrame, folds: Folds) -> int:
    """Training utterances of all models of a trial together: the samples of one pass.

    Args:
        utterances: as for `hold_out`, with the column view.
    """
    views = (hold_out(utterances, attacks) for attacks in folds or ((),))
    return sum(int(((part["split"] == "train") & (part["view"] == 0)).sum()) for part in views)


def folds_of(held_out: tuple[str, ...]) -> Folds:
    """The folds of a single model, from the attacks that it does without."""
    return (held_out,) if held_out else ()


def named(folds: Folds) -> str:
    """The held-out attacks in one line: those of a fold joined by commas, folds parted by bars."""
    return " | ".join(", ".join(group) for group in folds)


def fold_path(folder: Path, number: int) -> Path:
    """Where a folder of a trial over folds keeps what belongs to one of them, counted from 0."""
    return folder / f"fold{number}"


def _attack_counts(utterances: pd.DataFrame) -> dict[str, int]:
    """Training spoofs by attack."""
    chosen = (utterances["split"] == "train") & (utterances["view"] == 0) & (utterances["attack"] != NO_ATTACK)
    counts = utterances.loc[chosen, "attack"].value_counts()
    return {str(name): int(count) for name, count in counts.items() if str(name).split("/")[-1] != UNKNOWN_ATTACK}


def _balanced(shuffled: list[str], counts: dict[str, int], num_folds: int) -> Folds:
    """The largest attacks first, each to the group that is lightest so far (longest processing time, Graham 1969)."""
    if num_folds > len(counts):
        raise SpoofsweepError(
            "each fold must hold an attack out",
            f"{num_folds} folds of {len(counts)} attacks of train",
            "lower validation.folds",
        )
    groups: list[list[str]] = [[] for _ in range(num_folds)]
    for name in sorted(shuffled, key=lambda name: -counts[name]):
        min(groups, key=lambda group: sum(counts[other] for other in group)).append(name)
    return tuple(tuple(sorted(group)) for group in groups)


def _moved(utterances: pd.DataFrame, attacks: tuple[str, ...]) -> pd.Series:
    """Which rows of train go to dev, because dev lacks an attack."""
    attack, speaker = utterances["attack"], utterances["speaker"]
    in_train, is_known = utterances["split"] == "train", speaker != UNKNOWN_SPEAKER
    lacking = set(attacks) - set(attack[utterances["split"] == "dev"])
    speakers: set[str] = set()
    nameless: set[str] = set()
    for name in lacking:
        voices = set(speaker[in_train & is_known & (attack == name)])
        imitated = sorted(voices, key=lambda voice: rank("moved to dev", voice))
        speakers.update(imitated[: -(-len(imitated) // _ONE_SPEAKER_IN)])
        if not imitated:
            nameless.add(name)
    with_speaker = speaker.isin(speakers) & (attack.isin(lacking) | (utterances["label"] == "bonafide"))
    return in_train & (with_speaker | attack.isin(nameless))


def _require_classes(divided: pd.DataFrame, attacks: tuple[str, ...]) -> None:
    for split in ("train", "dev"):
        found = set(divided.loc[divided["split"] == split, "label"])
        for label in LABELS:
            if label not in found:
                raise SpoofsweepError(
                    f"{split} must keep {label} utterances when {', '.join(attacks)} are held out",
                    "none, once no speaker stands in both train and dev",
                    "hold out other attacks, or give the corpus splits with speakers of their own",
                )
