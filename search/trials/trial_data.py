"""What a sweep needs to know of the data of its trials."""

from pathlib import Path
from typing import Protocol

import pandas


class TrialData(Protocol):
    """What a sweep needs of a ``data_prep.shards.ShardSet``."""

    @property
    def folder(self) -> Path: ...

    @property
    def shard_set_id(self) -> str: ...

    @property
    def index(self) -> pandas.DataFrame: ...
