"""What makes a trial the one it is: configuration, seed, shards, attacks held out, lineage, and code."""

import hashlib
import json
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from trainable.checkpoints.lineage import Lineage, PrunedFrom
from trainable.config import TrialConfig
from trainable.data.hold_out import Folds


def trial_signature(
    config: TrialConfig,
    seed: int,
    shard_set_id: str,
    folds: Folds = (),
    lineage: Lineage = (),
    pruned_from: PrunedFrom = (),
) -> str:
    """Identity of a trial: 16 hex digits over its configuration, seed, shards, the attacks held out and its origin."""
    facts: dict[str, Any] = {"trial": config.model_dump(mode="json"), "seed": seed, "shard_set_id": shard_set_id}
    if folds:
        facts["folds"] = folds
    if lineage:
        facts["lineage"] = [ancestor.model_dump(mode="json") for ancestor in lineage]
    if pruned_from:
        facts["pruned_from"] = [larger.model_dump(mode="json") for larger in pruned_from]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


_BELOW = ("draws.py", "eer_bootstrap.py", "error_rates.py", "features_config.py", "shards.py")
"""What a trial computes with from the room below, besides the front end."""


@cache
def code_version() -> str:
    """Package version and a hash over the sources that decide a trial's numbers.

    These are this room, and of the room below the front end, the reading of shards, the draws and the error rates.
    """
    room, below = Path(str(files("trainable"))), Path(str(files("data_prep")))
    digest = hashlib.sha256()
    for path in [
        *sorted(room.rglob("*.py")),
        *(below / name for name in _BELOW),
        *sorted((below / "features").rglob("*.py")),
    ]:
        digest.update(path.relative_to(room.parent).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{version('spoofsweep')}+{digest.hexdigest()[:12]}"
