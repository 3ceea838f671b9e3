"""Every target rendered for a shipped study, and checked by what its cluster checks it with."""

import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cluster.errors import SpoofsweepError
from cluster.launch_config import LaunchConfig
from cluster.launch_files import RAY_UP, TARGETS, LaunchPlan, cluster_file, cluster_name, sweep_script
from search.launching.cluster_launch import make_plan
from search.study.shipped import SHIPPED
from search.study.study import load_study

SCHEMAS = Path(__file__).parents[2] / "cluster" / "kuberay"
ADDRESS = "http://192.0.2.1:8265"
CODE = Path("/code")


def plan(target: str, **changes: Any) -> LaunchPlan:
    """The shipped study's plan; ``changes`` go into ``[cluster.launch]``, a mapping into its section."""
    made = make_plan(load_study(SHIPPED / "asvspoof2019-la.toml"), target)
    launch = made.launch.model_dump(exclude_unset=True)
    for name, value in changes.items():
        launch[name] = {**launch.get(name, {}), **value} if isinstance(value, dict) else value
    return LaunchPlan(made.name, made.study, made.study_text, made.folder, LaunchConfig(**launch))


def rendered(target: str, **changes: Any) -> str:
    return cluster_file(target, plan(target, **changes), CODE)


def parsed(target: str, **changes: Any) -> dict[str, Any]:
    return yaml.safe_load(rendered(target, **changes))


def is_shell(text: str) -> bool:
    return subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def prepared_by_ray(config: dict[str, Any]) -> dict[str, Any]:
    from ray.autoscaler._private.util import prepare_config, validate_config

    for node_type in config.get("available_node_types", {}).values():
        node_type.setdefault("resources", {})  # on AWS, Ray asks for them there before it validates
    ready = prepare_config(config)
    validate_config(ready)
    return ready


@pytest.mark.parametrize("target", [*TARGETS, ADDRESS])
def test_the_head_examines_the_cluster_and_then_sweeps(target: str) -> None:
    script = sweep_script(target, plan(target))
    assert is_shell(script)
    doctor, sweep = script.splitlines()[-2:]
    assert doctor.startswith('python -P -m search doctor asvspoof2019-la --address "$address" --nodes ')
    assert sweep == 'exec python -P -m search sweep asvspoof2019-la --address "$address"'
    assert "cd /mnt/spoofsweep " in script


@pytest.mark.parametrize("target", RAY_UP)
def test_ray_accepts_its_files(target: str) -> None:
    ready = prepared_by_ray(parsed(target))
    assert ready["provider"]["type"] == {"onprem": "local"}.get(target, target)
    starts = [*ready["head_start_ray_commands"], *ready["worker_start_ray_commands"]]
    assert len(starts) == 3
    for command in starts:
        assert command.startswith("export RAY_AUTH_MODE=token ")
        assert " ASVSPOOF2019_ROOT=/mnt/spoofsweep/asvspoof2019; " in command
        assert is_shell(command)
    assert all(is_shell(command) for command in ready["initialization_commands"])


def test_ray_refuses_a_wrong_key() -> None:
    """What `prepared_by_ray` is worth."""
    with pytest.raises(jsonschema.ValidationError, match="docker_image"):
        prepared_by_ray({**parsed("aws"), "docker_image": "x"})


@pytest.mark.parametrize("target", RAY_UP)
def test_the_token_travels_as_a_file_and_stands_in_none(target: str) -> None:
    assert parsed(target)["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}


def test_aws_has_spot_workers_and_a_head_that_is_none() -> None:
    types = parsed("aws")["available_node_types"]
    assert types["worker"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in types["head"]["node_config"]
    assert types["head"]["resources"] == {"CPU": 0}
    assert (types["worker"]["min_workers"], types["worker"]["max_workers"]) == (1, 4)
    ids = {"subnets": ("subnet-1",), "security_groups": ("sg-1", "sg-2"), "ami": "ami-1", "max_price_usd": 2.5}
    worker = parsed("aws", aws={**ids, "availability_zones": ("a", "b")})["available_node_types"]["worker"][
        "node_config"
    ]
    assert worker["InstanceMarketOptions"]["SpotOptions"] == {"MaxPrice": "2.5"}
    assert (worker["SubnetIds"], worker["SecurityGroupIds"], worker["ImageId"]) == (
        ["subnet-1"],
        ["sg-1", "sg-2"],
        "ami-1",
    )
    on_demand = parsed("aws", aws={"spot": False})["available_node_types"]["worker"]["node_config"]
    assert "InstanceMarketOptions" not in on_demand


def test_gcp_tells_ray_what_a_worker_has() -> None:
    file = parsed("gcp")
    assert file["provider"]["region"] == "us-central1"
    worker = file["available_node_types"]["worker"]
    assert worker["resources"] == {"CPU": 48, "GPU": 4}
    assert {"preemptible": True} in worker["node_config"]["scheduling"]
    t4 = {"accelerator": "nvidia-tesla-t4", "worker_gpus": 1}
    (accelerator,) = parsed("gcp", gcp=t4)["available_node_types"]["worker"]["node_config"]["guestAccelerators"]
    assert accelerator == {"acceleratorType": "nvidia-tesla-t4", "acceleratorCount": 1}


def test_on_prem_runs_without_an_image_in_an_environment() -> None:
    file = parsed("onprem", image=None, venv="/opt/my env", onprem={"ssh_key": "~/.ssh/lab"})
    assert "docker" not in file
    assert file["auth"]["ssh_private_key"] == "~/.ssh/lab"
    head = file["head_start_ray_commands"][-1]
    assert "PATH='/opt/my env'/bin:$PATH" in head
    assert "RAY_enable_autoscaler_v2=0 ray start --head" in head
    assert head.endswith(" --node-ip-address=192.0.2.10)")
    assert "--node-ip" not in rendered("onprem", onprem={"head": "node1.example.org"})
    assert prepared_by_ray(file)["max_workers"] == 2


@pytest.mark.parametrize(("keeps_cluster", "kind"), [(False, "rayjob"), (True, "raycluster")])
def test_kuberays_own_schema_takes_the_manifest(keeps_cluster: bool, kind: str) -> None:
    settings = {"keeps_cluster": keeps_cluster, "secret": "passwords", "node_selector": {"pool": "spot"}}
    config_map, manifest = yaml.safe_load_all(rendered("kuberay", kuberay=settings))
    schema = json.loads(gzip.decompress((SCHEMAS / f"{kind}.schema.json.gz").read_bytes()))
    jsonschema.validate(manifest, schema)
    assert manifest["kind"].lower() == kind
    cluster = manifest["spec"] if keeps_cluster else manifest["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    (workers,) = cluster["workerGroupSpecs"]
    pod = workers["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["nodeSelector"] == {"pool": "spot"}
    assert container["resources"]["limits"] == {"cpu": "16", "memory": "64Gi", "nvidia.com/gpu": "4"}
    assert container["envFrom"] == [{"secretRef": {"name": "passwords"}}]
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "spoofsweep"}
    (head,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    assert "nvidia.com/gpu" not in head["resources"]["limits"]
    assert pod["volumes"][1]["configMap"]["name"] == config_map["metadata"]["name"]
    assert config_map["data"]["study.toml"] == (SHIPPED / "asvspoof2019-la.toml").read_text()
    assert is_shell(config_map["data"]["sweep.sh"])


def test_the_schema_refuses_a_wrong_key() -> None:
    schema = json.loads(gzip.decompress((SCHEMAS / "rayjob.schema.json.gz").read_bytes()))
    _, manifest = yaml.safe_load_all(rendered("kuberay"))
    manifest["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplica"] = 3
    with pytest.raises(jsonschema.ValidationError, match="maxReplica"):
        jsonschema.validate(manifest, schema)


def test_slurm_runs_from_its_folder_with_a_token_of_its_own() -> None:
    script = rendered(
        "slurm", slurm={"partition": "gpu", "memory_gb": 64, "setup": ("module load cuda",)}, venv="/opt/env"
    )
    assert is_shell(script)
    options = {line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH ")}
    assert {"--nodes=4", "--gpus-per-node=4", "--partition=gpu", "--mem=64G", "--no-kill", "--requeue"} <= options
    assert "export PATH=/opt/env/bin:$PATH" in script
    assert "\nmodule load cuda\n" in script
    assert (
        "RAY_AUTH_TOKEN_PATH=/mnt/spoofsweep/results/studies/asvspoof2019-la/launch/slurm/token-$SLURM_JOB_ID" in script
    )
    assert "\nhere=/code " in script


@pytest.mark.parametrize(
    ("target", "changes", "complaint"),
    [
        ("slurm", {"shared_folder": None}, "a launch on slurm needs cluster.launch.shared_folder"),
        (ADDRESS, {"shared_folder": None}, "needs cluster.launch.shared_folder"),
        ("aws", {"image": None, "nfs": None}, "needs cluster.launch.image, cluster.launch.nfs"),
        ("gcp", {"gcp": {"project": None}}, "needs cluster.launch.gcp.project"),
        ("onprem", {"onprem": {"head": None}}, "needs cluster.launch.onprem.head"),
        ("kuberay", {"kuberay": {"volume_claim": None}}, "needs cluster.launch.kuberay.volume_claim"),
    ],
)
def test_what_a_target_needs_is_asked_for(target: str, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SpoofsweepError, match=complaint):
        sweep_script(target, plan(target, **changes))


@pytest.mark.parametrize(
    ("study", "name"), [("A_b.C", "sweep-a-b-c"), ("x" * 60, "sweep-" + "x" * 24), ("a-_", "sweep-a")]
)
def test_names_that_clouds_take(study: str, name: str) -> None:
    assert cluster_name(study) == name
