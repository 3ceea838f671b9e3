"""The commands about a study on a cluster."""

from typing import Annotated

import typer
from rich.console import Console

from search.study.options import AddressOption, StudyArgument, load_named

app = typer.Typer()


@app.command()
def doctor(
    study: StudyArgument,
    address: AddressOption = None,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes that are waited for, the head included.")] = 1,
) -> None:
    """Look whether a study can run on its cluster: nodes, versions, GPUs, stores, shards, its largest trial.

    Exit status: 0 unless something failed, 1 if it did.
    """
    from search.launching.doctor import examine, print_findings

    if not print_findings(examine(load_named(study).at(address), nodes), Console()):
        raise typer.Exit(1)


@app.command()
def launch(
    study: StudyArgument,
    on: Annotated[
        str, typer.Option(metavar="TARGET", help="aws, gcp, onprem, kuberay, slurm, or a cluster: http://HEAD:8265.")
    ],
    render_only: Annotated[
        bool, typer.Option("--render-only", help="Print files and commands, submit nothing.")
    ] = False,
) -> None:
    """Run the sweep on a cluster, started or found there, and show its progress.

    The same command goes on with an interrupted study. Exit status: that of the sweep, as far as the cluster tells it.
    """
    from search.launching.cluster_launch import launch_on

    raise typer.Exit(launch_on(load_named(study), on, Console(), render_only))
