"""The AWS file taken by Ray's own launcher, which makes its nodes in a simulated EC2."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.launch_files import cluster_file
from search.launching.cluster_launch import make_plan
from search.study.shipped import SHIPPED
from search.study.study import load_study

pytestmark = pytest.mark.cluster


def rendered() -> dict[str, Any]:
    plan = make_plan(load_study(SHIPPED / "asvspoof2019-la.toml"), "aws")
    return yaml.safe_load(cluster_file("aws", plan, Path("/code")))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ray_makes_a_head_and_spot_workers_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute: the simulated EC2 fills itself."""
    import boto3
    from moto import mock_aws
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
    from ray.autoscaler._private.util import prepare_config, validate_config

    monkeypatch.setenv("HOME", str(tmp_path))  # Ray leaves a key pair there
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        config = AWSNodeProvider.fillout_available_node_types_resources(prepare_config(rendered()))
        validate_config(config)
        worker = config["available_node_types"]["worker"]
        assert worker["resources"]["GPU"] == 4
        config = bootstrap_aws(config)
        provider = AWSNodeProvider(config["provider"], config["cluster_name"])
        for kind in ("head", "worker"):
            tags = {"ray-node-type": kind, "ray-cluster-name": config["cluster_name"], "ray-user-node-type": kind}
            provider.create_node(config["available_node_types"][kind]["node_config"], tags, 1)
        found = boto3.client("ec2", region_name="us-east-1").describe_instances()["Reservations"]
        instances = {one["InstanceType"]: one for each in found for one in each["Instances"]}
    assert instances["g6.12xlarge"].get("InstanceLifecycle") == "spot"
    assert instances["m7i.2xlarge"].get("InstanceLifecycle") is None
