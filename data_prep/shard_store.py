"""Where shard sets are kept."""

from pathlib import Path

from data_prep.config import ShardsConfig
from data_prep.remote_files import expand_path


def shards_folder(config: ShardsConfig, output: Path) -> Path:
    """``config.store``, or ``shards`` in the output folder; each set has a folder of its own in it.

    Raises:
        SpoofsweepError: a variable in it is not set, or its protocol is not to be had.
    """
    return expand_path(config.store, Path.cwd()) if config.store else output / "shards"
