"""The cluster's own command: what a Ray cluster, or this machine, has to offer."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from cluster.gpus import Node

app = typer.Typer()


@app.command()
def resources(
    address: Annotated[
        str | None, typer.Option(help="Ray cluster (auto or host:port); none looks at this machine.")
    ] = None,
) -> None:
    """Show the nodes, CPU cores and GPUs that trials could run on, and whether GPUs can be shared well (MPS)."""
    from cluster.config import ClusterConfig
    from cluster.gpus import nodes
    from cluster.ray_session import ray_session

    with ray_session(ClusterConfig(address=address)):
        import ray

        title = f"Ray {ray.__version__}"
        table = Table("node", "CPU cores", "GPUs", "memory (GB)", "MPS", title=title, title_justify="left")
        for node in nodes():
            gpus = f"{node.num_gpus:g} {node.gpu_kind or ''}".strip()
            table.add_row(node.name, f"{node.num_cpus:g}", gpus, f"{node.memory_gb:.1f}", _mps(node))
    Console().print(table)


def _mps(node: "Node") -> str:
    if not node.num_gpus:
        return "-"
    limited = node.mps.state == "running" and node.mps.thread_percentage < 100
    return f"{node.mps.state}, {node.mps.thread_percentage:g}% a process" if limited else node.mps.state
