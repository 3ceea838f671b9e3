"""The team's stores, as far as they can be looked at without a container engine."""

import re

import yaml

from cluster.launch_files import TEMPLATES

TEXT = (TEMPLATES / "services.yaml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]


def test_passwords_come_from_the_environment_alone() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|ACCESS_KEY", name):
                assert re.fullmatch(r"\$\{\w+:\?set it\}", value), name


def test_what_the_server_is_told_of_is_made() -> None:
    command = SERVICES["mlflow"]["command"]
    assert f"spoofsweep@database/{SERVICES['database']['environment']['POSTGRES_DB']}" in command
    (bucket,) = re.findall(r"s3://(\w+)", command)
    assert bucket in SERVICES["buckets"]["command"][0]
    assert SERVICES["mlflow"]["depends_on"]["buckets"] == {"condition": "service_completed_successfully"}
    assert SERVICES["buckets"]["environment"] == {
        key: value
        for key, value in SERVICES["mlflow"]["environment"].items()
        if key in SERVICES["buckets"]["environment"]
    }
