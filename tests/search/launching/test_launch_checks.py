"""What stops a launch before anything is submitted, and what is only said."""

from pathlib import Path
from typing import Any

import pytest

from cluster.errors import SpoofsweepError
from search.launching.launch_checks import check_launchable
from search.study.config import StudyConfig
from search.study.shipped import SHIPPED
from search.study.study import Study, load_study


def study(**sections: dict[str, Any]) -> Study:
    values: dict[str, Any] = {
        "study": {"name": "s", "storage": "postgresql+psycopg://me@db/optuna"},
        "corpus": {"layout": "manifest", "root": "/shared/corpus"},
        "cluster": {"launch": {"shared_folder": "/shared"}},
    }
    for section, changes in sections.items():
        values[section] = {**values.get(section, {}), **changes}
    return Study(Path("/local/s.toml"), StudyConfig.model_validate(values))


def test_a_study_of_servers_and_shared_folders_has_nothing_to_be_said_of() -> None:
    assert check_launchable(study(shards={"store": "s3://bucket/shards"}), "slurm") == []
    assert check_launchable(study(study={"name": "s", "storage": "mysql://db/o", "output": "/shared/o"}), "aws") == []


@pytest.mark.parametrize(
    ("sections", "complaint"),
    [
        (
            {"study": {"output": "/local/results"}},
            "study.output must lie where every node sees it, in /shared; got /local",
        ),
        ({"study": {"output": "~/results"}}, "study.output must lie where every node sees it"),
        ({"study": {"storage": "sqlite:////local/o.db"}}, "study.storage must lie .* got /local/o.db"),
        ({"mlflow": {"tracking_uri": "sqlite:////local/m.db"}}, "mlflow.tracking_uri must lie where"),
        (
            {"search": {"start_from": ["before", "sqlite:////local/o.db#older"]}},
            "search.start_from older must lie where .* got /local/o.db",
        ),
        ({"shards": {"store": "/scratch/shards"}}, "shards.store must lie where every node sees it"),
        ({"corpus": {"root": "../corpus"}}, "corpus.root of a launched study must not depend on this machine"),
        ({"corpus": {"extra": [{"name": "b", "layout": "mlaad", "root": "b"}]}}, "corpus.extra b of a launched study"),
    ],
)
def test_what_only_this_machine_sees_is_refused(sections: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SpoofsweepError, match=complaint):
        check_launchable(study(**sections), "slurm")


def test_the_corpus_of_a_shipped_study_travels_with_the_code() -> None:
    check_launchable(load_study(SHIPPED / "demo.toml"), "slurm")


def test_notes_on_what_nodes_must_have() -> None:
    noise = {"policies": {"p": {"steps": [{"kind": "noise", "folder": "/data/musan", "kinds": {"noise": [0, 15]}}]}}}
    notes = check_launchable(
        study(study={"name": "s", "storage": None}, corpus={"root": "${CORPORA}/LA"}, augmentation=noise), "slurm"
    )
    assert notes[0] == "CORPORA must be set on every node, or in cluster.launch.environment"
    assert notes[1].startswith("augmentation.policies.p must be at /data/musan on every node")
    assert notes[2].startswith("the ledger is an SQLite file in the shared folder")
    known = {"launch": {"shared_folder": "/shared", "environment": {"CORPORA": "/shared/c"}}}
    assert check_launchable(study(corpus={"root": "${CORPORA}/LA"}, cluster=known), "slurm") == []


def test_kubernetes_takes_passwords_from_a_secret() -> None:
    launch = {"launch": {"shared_folder": "/shared", "forward": ["PGPASSWORD"]}}
    with pytest.raises(SpoofsweepError, match=r"got PGPASSWORD; put them into a Secret"):
        check_launchable(study(cluster=launch), "kuberay")
    assert check_launchable(study(cluster=launch), "slurm") == []
