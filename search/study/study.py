"""Reads a study file, and says where everything of the study lies."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings
from data_prep.config import PrepConfig
from data_prep.remote_files import expand_path, is_remote
from data_prep.shard_store import shards_folder
from search.study.config import ParameterConfig, StudyConfig
from search.study.objective import OBJECTIVES, SECONDS, Objective, Second
from search.study.shipped import SHIPPED, shipped_names
from trainable.data.hold_out import Folds, resolve_folds


@dataclass(frozen=True)
class Study:
    """A validated study file, and the places that follow from it."""

    path: Path
    config: StudyConfig

    @property
    def name(self) -> str:
        """Name of the Optuna study, the MLflow parent run and the registered model."""
        return self.config.study.name

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        return OBJECTIVES[self.config.search.objective]

    @property
    def second(self) -> Second | None:
        """What is minimised besides."""
        name = self.config.search.second_objective
        return None if name is None else SECONDS[name]

    @property
    def reference(self) -> str:
        """What commands call the study: its file, or the name of a shipped one."""
        return self.path.stem if self.path.parent == SHIPPED else str(self.path)

    @property
    def base(self) -> Path:
        """Folder at which relative input paths start."""
        return self.path.parent

    @property
    def output(self) -> Path:
        """Folder of everything that is written; shared by studies of one output root."""
        output = expand_path(self.config.study.output, Path.cwd())
        if is_remote(output):
            remedy = "name a folder; shards.store keeps the shards in an object store"
            raise SpoofsweepError("study.output must be a folder on disk", output, remedy)
        return output

    @property
    def folder(self) -> Path:
        """This study's own part of the output."""
        return self.output / "studies" / self.name

    @property
    def shards_folder(self) -> Path:
        """Where shard sets are kept; perhaps in an object store."""
        return shards_folder(self.config.shards, self.output)

    @property
    def storage_url(self) -> str:
        """The Optuna storage that is the ledger of trials."""
        return self.config.study.storage or f"sqlite:///{self.folder / 'optuna.db'}"

    @property
    def tracking_uri(self) -> str:
        """The MLflow tracking store: the study file's, else ``MLFLOW_TRACKING_URI``, else the study's own."""
        named = self.config.mlflow.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        return named or self._own_store

    @property
    def artifact_folder(self) -> Path | None:
        """Where artefacts go if the study keeps its own store; none if a server decides."""
        return self.output / "mlartifacts" if self.tracking_uri == self._own_store else None

    @property
    def _own_store(self) -> str:
        return f"sqlite:///{self.output / 'mlflow.db'}"

    @property
    def prep(self) -> PrepConfig:
        """All that decides the bytes of the shards, and where they are kept."""
        config = self.config
        return PrepConfig(
            corpus=config.corpus,
            features=config.features,
            augmentation=config.augmentation,
            # Where nothing is drawn, studies that differ only in their seed share shards.
            seed=config.study.seed if config.augmentation.num_views or config.corpus.is_drawn else 0,
            **config.shards.model_dump(),
        )

    def at(self, address: str | None) -> "Study":
        """The same study on the Ray cluster at ``address``; none leaves it where it is."""
        if address is None:
            return self
        cluster = self.config.cluster.model_copy(update={"address": address})
        return replace(self, config=self.config.model_copy(update={"cluster": cluster}))

    def folds(self, utterances: pd.DataFrame) -> Folds:
        """The attacks that each model of a trial does without; see `trainable.data.hold_out.resolve_folds`.

        Raises:
            SpoofsweepError: the corpus has not the attacks that ``[validation]`` asks for.
        """
        return resolve_folds(self.config.validation, utterances, self.config.study.seed)


def load_study(path: Path) -> Study:
    """Read and validate a study file (TOML).

    Raises:
        SpoofsweepError: the file is missing or no TOML, a key is unknown, or a value breaks a rule.
    """
    path = Path(path).absolute()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpoofsweepError(
            "the study file must exist", path, f"shipped studies can be named: {shipped_names()}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpoofsweepError("a study file must be valid TOML", f"{path}: {error}", "correct that line") from error
    if isinstance(values.get("space"), dict):
        from search.study.space import trial_paths  # Optuna comes with it

        values["space"] = _flatten(values["space"], trial_paths())
    return Study(path, parse_settings(StudyConfig, values, f"study file {path.name}"))


def find_study(reference: str) -> Path:
    """The path of a study given as a file, or by the name of a shipped study."""
    shipped = SHIPPED / f"{reference}.toml"
    return shipped if not Path(reference).exists() and shipped.exists() else Path(reference)


def _flatten(space: Mapping[str, Any], paths: Sequence[str], prefix: str = "") -> dict[str, Any]:
    # TOML reads the key model.dropout as a table in a table, unless quoted: both spellings are accepted.
    flat: dict[str, Any] = {}
    for key, value in space.items():
        if not isinstance(value, dict):
            flat[f"{prefix}{key}"] = value
        elif f"{prefix}{key}" in paths or value.keys() & ParameterConfig.model_fields.keys():
            when = {"when": _flatten(value["when"], paths)} if isinstance(value.get("when"), dict) else {}
            flat[f"{prefix}{key}"] = value | when
        else:
            flat |= _flatten(value, paths, f"{prefix}{key}.")
    return flat
