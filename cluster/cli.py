"""The cluster's own command: what a Ray cluster, or this machine, has to offer."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cluster.config import ClusterConfig
from cluster.ray_session import ray_session

app = typer.Typer()


@app.command()
def resources(
    address: Annotated[
        str | None, typer.Option(help="Ray cluster (auto or host:port); none looks at this machine.")
    ] = None,
) -> None:
    """Show the nodes, CPU cores and GPUs that trials could run on."""
    with ray_session(ClusterConfig(address=address)):
        import ray

        table = Table("node", "CPU cores", "GPUs", "memory (GB)", title=f"Ray {ray.__version__}", title_justify="left")
        for node in ray.nodes():
            if node["Alive"]:
                has = node["Resources"]
                memory_gb = f"{has.get('memory', 0) / 1e9:.1f}"
                table.add_row(
                    node["NodeManagerHostname"], f"{has.get('CPU', 0):g}", f"{has.get('GPU', 0):g}", memory_gb
                )
    Console().print(table)
