"""Examines a Ray cluster of two nodes, then of the one that is left: a program, since a process has one Ray."""

import sys

import ray
from ray.cluster_utils import Cluster

from cluster.node_tasks import on_every_node, wait_for_nodes
from cluster.prices import count_workers
from cluster.probes import Wanted, look

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
other = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
print(f"{wait_for_nodes(2, 30.0)} joined, {count_workers()} besides the head")
answers = on_every_node(look, Wanted((sys.argv[1],)), timeout_s=60.0)
print(f"{sum(not answer.unwritable for answer in answers.values())} answered")
cluster.remove_node(other)
answers = on_every_node(look, Wanted((sys.argv[1],)), timeout_s=60.0)
print(f"{sum(not answer.unwritable for answer in answers.values())} answered of {len(answers)} after a loss")
ray.shutdown()
cluster.shutdown()
