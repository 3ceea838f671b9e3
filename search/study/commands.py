"""The commands that go on from a study, as they can be copied into a shell."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from cluster.uris import shown
from deploy.tracking_store import uri_option

DEFAULT_SHARDS = "results/shards"
"""Of commands that are told of no other folder of shard sets."""


@dataclass(frozen=True)
class Commands:
    """What a study's model is used and made again with; an argument that is the default is left out.

    A password is never printed: where the address of the MLflow store has one, commands leave the address to the
    environment, and `environment` says how to set it.
    """

    study_name: str
    tracking_uri: str
    shards: Path
    """Folder or URI of shard sets."""

    @property
    def environment(self) -> list[str]:
        """What must be set first: one line or none; ``***`` stands for the password."""
        uri = shown(self.tracking_uri)
        return [] if uri == self.tracking_uri else [f"export MLFLOW_TRACKING_URI={shlex.quote(uri)}"]

    def detect(self) -> str:
        """Score files with the champion."""
        return f"spoofsweep detect FILE... --model champion@{self.study_name}{uri_option(self.tracking_uri)}"

    def reproduce(self, reference: str) -> str:
        """Train a run again."""
        is_default = self.shards == Path.cwd() / DEFAULT_SHARDS
        shards = "" if is_default else f" --shards {shlex.quote(str(self.shards))}"
        return f"spoofsweep reproduce {reference}{uri_option(self.tracking_uri)}{shards}"
