"""Preparation in processes of its own: killed, bereft of a node, and between object stores; always the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from miniature import contents
from object_store import ObjectStore, download_all, upload

from data_prep.config import PrepConfig
from data_prep.plan import Conversions, Recipe, plan_shards
from data_prep.prepare import prepare
from data_prep.remote_files import to_path
from data_prep.shards import ShardSet

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def undisturbed(config: PrepConfig, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> ShardSet:
    return prepare(config, Path(), tmp_path_factory.mktemp("output"), progress=False)


def program(code: str, config: PrepConfig, output: Path) -> subprocess.Popen:
    """Starts Python ``code`` with the names ``config`` and ``output``; waits neither for it nor for Ray."""
    head = (
        "import sys, threading, time\nfrom pathlib import Path\nfrom data_prep.config import PrepConfig\n"
        "from data_prep.prepare import prepare\nfrom cluster.config import ClusterConfig\n"
        "config, output = PrepConfig.model_validate_json(sys.argv[1]), Path(sys.argv[2])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    command = [sys.executable, "-c", head + code, config.model_dump_json(), str(output)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen) -> str:
    text = process.communicate()[0]
    assert process.returncode == 0, text
    return text


PREPARE = "prepare(config, Path(), output, cluster=ClusterConfig(num_cpus=2))"


def test_killed_with_its_one_worker(undisturbed: ShardSet, config: PrepConfig, tmp_path: Path) -> None:
    """Slow: two processes with a Ray each. The undisturbed set is the work of two workers."""
    folder = tmp_path / "shards" / undisturbed.shard_set_id
    code = PREPARE.replace("num_cpus=2", "num_cpus=1")
    with program(code, config, tmp_path) as process:
        while process.poll() is None and len(list(folder.glob("parts/*.parquet"))) < 7:
            time.sleep(0.002)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            if member.is_running():
                member.send_signal(signal.SIGKILL)
    assert not (folder / "manifest.json").exists()
    psutil.wait_procs(family[1:], timeout=30)
    kept = [folder / path.name.removesuffix(".parquet") for path in folder.glob("parts/*.parquet")]
    times = [path.stat().st_mtime_ns for path in kept]
    finish(program(code, config, tmp_path))
    assert len(kept) >= 7
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert contents(folder) == contents(undisturbed.folder)


LOSE_A_NODE = """
import ray
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
node = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)

def lose():
    while (num_done := len(list(output.glob("shards/*/parts/*.parquet")))) < 6:
        time.sleep(0.01)
    print(f"removed after {num_done}", flush=True)
    cluster.remove_node(node, allow_graceful=False)  # returns when its processes are gone, maybe after the preparation

losing = threading.Thread(target=lose)
losing.start()
prepare(config, Path(), output)
losing.join()
deadline = time.monotonic() + 60  # Ray notices a silent node by its missed health checks
while sum(one["Alive"] for one in ray.nodes()) > 1 and time.monotonic() < deadline:
    time.sleep(0.5)
print("nodes left", sum(one["Alive"] for one in ray.nodes()), flush=True)
ray.shutdown()
cluster.shutdown()
"""


def test_node_lost_in_the_middle(undisturbed: ShardSet, config: PrepConfig, tmp_path: Path) -> None:
    """Slow: a Ray cluster of two nodes, in a process of its own."""
    text = finish(program(LOSE_A_NODE, config, tmp_path))
    assert "nodes left 1" in text
    num_done = int(text.partition("removed after ")[2].split()[0])
    assert 6 <= num_done < len(undisturbed.manifest.shards)
    assert contents(tmp_path / "shards" / undisturbed.shard_set_id) == contents(undisturbed.folder)


@pytest.fixture
def remote(bucket: str, root: Path, config: PrepConfig) -> PrepConfig:
    """The same preparation from the store to the store."""
    upload(root, f"s3://{bucket}/corpora/LA")
    corpus = config.corpus.model_copy(update={"root": f"s3://{bucket}/corpora/LA"})
    return config.model_copy(update={"corpus": corpus, "store": f"s3://{bucket}/sets"})


def test_from_store_to_store(
    remote: PrepConfig, undisturbed: ShardSet, bucket: str, store_server: ObjectStore, tmp_path: Path
) -> None:
    """Slow: two processes with a Ray each, and a server."""
    from data_prep.corpora import read_corpus
    from data_prep.shard_builder import build_shard

    identity = undisturbed.shard_set_id
    corpus = read_corpus(remote.corpus, Path(), seed=0)
    recipe = Recipe(to_path(f"s3://{bucket}/sets/{identity}"), corpus, remote, {}, Conversions({}, {}))
    for plan in plan_shards(corpus.utterances, 1)[:5]:  # of a run that was interrupted
        build_shard(plan, recipe)
    finish(program(PREPARE, remote, tmp_path / "output"))
    made = {name.partition("/")[2]: data for name, data in download_all(f"s3://{bucket}/sets").items()}
    assert made == contents(undisturbed.folder)
    puts = {key: n for (method, key), n in store_server.requests(bucket).items() if method == "PUT" and "shard-" in key}
    assert set(puts.values()) == {1}
    assert not list((tmp_path / "output").rglob("*.safetensors"))
