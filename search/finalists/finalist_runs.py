"""Records finalists in MLflow: one run each, below the study's."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import chain, count
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from deploy.export.dev_scores import SCORES_ARTIFACT, score_path
from deploy.models import RUN_ARTIFACT
from search.finalists.finalists import Finalist, keys_path
from search.study.objective import EER
from search.tracking.lineage_tags import lineage_tags
from trainable.data.hold_out import folds_of
from trainable.scores.score_summary import plain

T = TypeVar("T")


class FinalistRuns:
    """Makes finalists' runs, or finds those that an earlier call made.

    Args:
        client: of the tracking store.
        experiment_id: experiment of the study's runs.
        study_name: name of the study.
        parent_run_id: the study's own run.
    """

    def __init__(self, client: MlflowClient, experiment_id: str, study_name: str, parent_run_id: str) -> None:
        self._client, self._experiment_id = client, experiment_id
        self._study_name, self._parent_run_id = study_name, parent_run_id

    def record(self, finalist: Finalist) -> str:
        """Log a finalist's course, scores and model; returns its run id. Of a complete run only the rank is renewed."""
        run = self._find(finalist) or self._create(finalist)
        run_id = str(run.info.run_id)
        self._client.set_tag(run_id, "spoofsweep.rank", str(finalist.candidate.rank))
        if run.info.status == "FINISHED":
            return run_id
        params = [Param(path, str(value)) for path, value in finalist.candidate.params.items()]
        self._client.log_batch(run_id, params=params)
        # The run's start as every metric's time makes a repetition after an interruption harmless.
        log_metrics(self._client, run_id, run.info.start_time, _metrics(finalist))
        for split in finalist.splits:
            paths = score_path(finalist.folder, split), keys_path(finalist.folder, split)
            for path in (path for path in paths if path.exists()):
                self._client.log_artifact(run_id, str(path), SCORES_ARTIFACT)
            found = plain(asdict(finalist.summary(split)) | finalist.costs(split))
            self._client.log_dict(run_id, found, f"{SCORES_ARTIFACT}/{split}.summary.json")
        for name in ("model.json", "model.safetensors"):
            self._client.log_artifact(run_id, str(finalist.folder / name), RUN_ARTIFACT)
        self._client.set_tag(run_id, "spoofsweep.state", "COMPLETE")
        self._client.set_terminated(run_id, "FINISHED")
        return run_id

    def _find(self, finalist: Finalist) -> Any | None:
        wanted = {
            MLFLOW_PARENT_RUN_ID: self._parent_run_id,  # of a study begun anew under its old name it is another
            "spoofsweep.kind": "finalist",
            "spoofsweep.study": self._study_name,
            "spoofsweep.signature": finalist.record.signature,
            "spoofsweep.code_version": finalist.record.code_version,
        }
        query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in wanted.items())
        runs = self._client.search_runs([self._experiment_id], query, max_results=1)
        return runs[0] if runs else None

    def _create(self, finalist: Finalist) -> Any:
        candidate = finalist.candidate
        name = f"finalist-{candidate.trial_number:05d}-seed-{candidate.seed_index}"
        return self._client.create_run(self._experiment_id, run_name=name, tags=self._tags(finalist))

    def _tags(self, finalist: Finalist) -> dict[str, str]:
        candidate, record = finalist.candidate, finalist.record
        facts = {
            "study": self._study_name,
            "kind": "finalist",
            "state": "RUNNING",
            "trial_number": candidate.trial_number,
            "seed": candidate.seed,
            "config": candidate.config.model_dump_json(),
            "signature": record.signature,
            "shard_set_id": record.shard_set_id,
            "objective": candidate.objective.name,
            "held_out": json.dumps(folds_of(record.held_out)),
            "num_threads": record.num_threads,
            "device": record.device,
            "precision": record.precision,
            "torch_version": record.torch_version,
            "code_version": record.code_version,
            **lineage_tags(record.lineage),
        }
        return {
            MLFLOW_PARENT_RUN_ID: self._parent_run_id,
            **{f"spoofsweep.{name}": str(fact) for name, fact in facts.items()},
        }


def log_metrics(client: MlflowClient, run_id: str, time_ms: int, points: Iterable[tuple[int, str, float]]) -> None:
    """Log metrics, each ``(step, name, value)``, in as few calls as may be.

    Infinite ones are left out: MLflow makes 1.8e308 of them, which flattens its charts.
    """
    metrics = [Metric(name, value, time_ms, step) for step, name, value in points if not math.isinf(value)]
    for first in range(0, len(metrics), 1000):
        client.log_batch(run_id, metrics[first : first + 1000])


def _metrics(finalist: Finalist) -> list[tuple[int, str, float]]:
    """Every metric as ``(samples seen, name, value)``: the reports' own, and at the end what is told of the splits."""
    points = [(r.samples_seen, name, value) for r in finalist.record.history for name, value in r.metrics.items()]
    last = {f"{split}_{name}": value for split in finalist.splits for name, value in _figures(finalist, split).items()}
    candidate = finalist.candidate
    for metric, value in {EER.metric: candidate.fold_eer, candidate.objective.metric: candidate.fold_value}.items():
        if value is not None:
            last[f"fold_{metric}"] = value
    reported = finalist.record.history[-1].metrics
    return points + [(finalist.record.samples_seen, name, last[name]) for name in last if name not in reported]


def _figures(finalist: Finalist, split: str) -> dict[str, float]:
    """All that is told of a split, by the names of metrics without the split's."""
    summary = finalist.summary(split)
    values = {"eer": summary.eer, "eer_low": summary.interval.low, "eer_high": summary.interval.high}
    if summary.group_interval is not None:
        low, high, _ = summary.group_interval
        values |= {"eer_low_by_speaker_and_attack": low, "eer_high_by_speaker_and_attack": high}
    values |= finalist.costs(split)
    values |= {f"eer/{name}": eer for name, eer in _named(summary.by_attack)}
    for fact, rates in _named({"corpus": summary.by_corpus, **summary.by_group}):
        values |= {f"eer_{fact}/{name}": rate.eer for name, rate in _named(rates)}
    return values


def _named(found: Mapping[str, T]) -> list[tuple[str, T]]:
    """What the data calls attacks, corpora or codecs, as MLflow takes it in the names of metrics.

    Of names that come to the same, all but the first get a number.
    """
    named: dict[str, T] = {}
    for name, value in found.items():
        plain_name = re.sub(r"[^A-Za-z0-9_. -]", "_", name) or "_"
        numbered = (f"{plain_name}_{number}" for number in count(2))
        named[next(each for each in chain([plain_name], numbered) if each not in named)] = value
    return list(named.items())
