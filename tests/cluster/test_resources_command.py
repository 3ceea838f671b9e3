from typer.testing import CliRunner

from cluster.cli import _mps, app
from cluster.gpus import Mps, Node


def test_nodes_are_shown_with_what_lets_gpus_be_shared(ray_session: None) -> None:
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 0
    header, row = [line for line in shown.stdout.splitlines() if line.startswith(("┃", "│"))]
    assert "MPS" in header
    assert row.replace("│", " ").split()[-1] == "-"


def test_a_limit_of_each_process_is_told() -> None:
    assert _mps(Node("a", 8, 1, 64.0, "H100", Mps("running", 25.0))) == "running, 25% a process"
