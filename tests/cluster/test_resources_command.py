from typer.testing import CliRunner

from cluster.cli import app


def test_nodes_are_shown_with_what_lets_gpus_be_shared(ray_session: None) -> None:
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 0
    header, row = [line for line in shown.stdout.splitlines() if line.startswith(("┃", "│"))]
    assert "MPS" in header
    assert row.replace("│", " ").split()[-1] == "-"
