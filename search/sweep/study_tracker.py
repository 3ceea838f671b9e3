"""Opens what a sweep tells MLflow by."""

import json

from deploy.tracking_store import new_client, open_experiment
from search.ledger.ledger import Ledger
from search.study.study import Study
from search.sweep.gpu_sharing import Packing
from search.tracking.tracking import Tracker
from search.tracking.trial_runs import dataset_of
from search.trials.trial_data import TrialData
from trainable.checkpoints.signature import code_version
from trainable.data.hold_out import Folds


def open_tracker(study: Study, shards: TrialData, folds: Folds, ledger: Ledger, packing: Packing | None) -> Tracker:
    """The tracker of a study, with the tags that all its runs have."""
    client = new_client(study.tracking_uri)
    experiment_id = open_experiment(client, study.config.mlflow.experiment, study.artifact_folder)
    views = shards.index.loc[shards.index["view"] == 0, "split"].value_counts()
    rows_by_split = {str(split): int(count) for split, count in views.items()}
    tags = {
        "spoofsweep.shard_set_id": shards.shard_set_id,
        "spoofsweep.held_out": json.dumps(folds),
        "spoofsweep.objective": study.objective.name,
        "spoofsweep.second_objective": study.config.search.second_objective or "",
        "spoofsweep.num_threads": str(study.config.cluster.cpus_per_trial),
        "spoofsweep.device": study.config.cluster.device,
        "spoofsweep.gpu_share": f"{study.config.cluster.gpu_share:.4g}",
        **({} if packing is None else {"spoofsweep.packing": str(packing)}),
        "spoofsweep.code_version": code_version(),
    }
    dataset = dataset_of(shards.shard_set_id, shards.folder, rows_by_split)
    return Tracker(client, experiment_id, ledger, study.name, study.folder / "mlflow-journal.jsonl", tags, dataset)
