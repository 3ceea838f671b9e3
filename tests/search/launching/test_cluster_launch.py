"""The launch command, as far as it goes without a cluster."""

import importlib
import os
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from cluster.launch_files import LaunchPlan
from cluster.submission import commands, forwarded, has_ray_default, require_tools, run
from search.cli import app
from search.launching.cluster_launch import make_plan
from search.launching.code_bundle import stage
from search.study.shipped import SHIPPED
from search.study.study import Study, load_study

STUDY = """
[study]
name = "s"
[corpus]
layout = "manifest"
root = "/shared/corpus"
[cluster.launch]
shared_folder = "{shared}"
forward = ["SECRET"]
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "hunter2")
    (tmp_path / "s.toml").write_text(STUDY.format(shared=tmp_path / "shared"))
    return load_study(tmp_path / "s.toml")


def launch(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["launch", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_render_only_prints_files_and_commands_and_leaves_nothing(study: Study, tmp_path: Path) -> None:
    shown = launch(str(study.path), "--on", "slurm", "--render-only")
    assert "#SBATCH --requeue" in shown
    assert 'python -P -m search sweep "$here/study.toml"' in shown
    assert shown.splitlines()[-1].startswith("#     sbatch --parsable ")
    assert "hunter2" not in shown
    assert [path.name for path in tmp_path.iterdir()] == ["s.toml"]


def test_an_address_is_a_cluster_that_runs(study: Study) -> None:
    shown = launch(str(study.path), "--on", "http://head:8265", "--render-only")
    assert "ray job submit --address http://head:8265 --working-dir " in shown
    assert "hunter2" not in shown


def test_an_unknown_target_is_refused_with_the_nearest(study: Study) -> None:
    with pytest.raises(SpoofsweepError, match=r"got slrum; did you mean 'slurm'\?"):
        launch(str(study.path), "--on", "slrum")


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("slurm", r"a launch on slurm needs the program sbatch; .* login node"),
        ("kuberay", r"a launch on kuberay needs the program kubectl; .* install it \(https://kubernetes"),
    ],
)
def test_a_missing_tool_is_named(target: str, complaint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpoofsweepError, match=complaint):
        require_tools(target)


def test_rays_own_packages_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.submission.distributions", lambda name: iter(()))
    with pytest.raises(SpoofsweepError, match=r"need the packages of ray\[default\]; got ray alone"):
        require_tools("onprem")


@pytest.mark.skipif(not has_ray_default(), reason="needs ray[default]: spoofsweep[cluster]")
def test_rays_own_packages_are_found_once_they_are_imported() -> None:
    importlib.import_module("colorful")  # takes its own module's place, and says nothing about where it came from
    assert has_ray_default()


def test_nothing_is_submitted_where_a_variable_is_missing(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET")
    with pytest.raises(SpoofsweepError, match="variables to be forwarded must be set; got SECRET"):
        forwarded(study.config.cluster.launch.forward, os.environ)


def test_ray_up_clusters_are_sent_the_code_and_run_it_as_a_job() -> None:
    plan = make_plan(load_study(SHIPPED / "asvspoof2019-la.toml"), "onprem")
    up, code, environment, submit = commands("onprem", plan, Path("/code"))
    config = str(plan.folder / "cluster.yaml")
    assert [step[1] for step in (up, code, environment, submit)] == ["up", "rsync-up", "rsync-up", "exec"]
    assert code[2:] == [config, "/code/", "~/launch-sweep-asvspoof2019-la/"]
    assert environment[3:] == [str(plan.folder / "runtime-env.json"), "~/launch-sweep-asvspoof2019-la.json"]
    assert submit[3].startswith("cd ~/launch-sweep-asvspoof2019-la && RAY_AUTH_MODE=token ray job submit")
    assert submit[3].endswith(" -- bash sweep.sh")


def test_kubectl_applies_and_follows(study: Study) -> None:
    plan = make_plan(study, "kuberay")
    apply, wait, logs, success = commands("kuberay", plan, Path("/code"))
    assert apply[3:] == ["apply", "--filename", str(plan.folder / "cluster.yaml")]
    assert wait[-1] == logs[-1] == f"job/{plan.name}"
    assert success[-1] == f"rayjob/{plan.name}"


def test_the_first_command_that_fails_ends_the_launch(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([["true"], ["false"], ["echo", "never"]], Console(quiet=True)) == 1
    assert run([["sh", "-c", "echo $RAY_AUTH_MODE"]], Console(quiet=True)) == 0
    assert capfd.readouterr().out == "token\n"


def test_code_is_staged_once_by_its_content(tmp_path: Path) -> None:
    folder = stage({"study.toml": "a"}, tmp_path)
    assert (folder / "study.toml").read_text() == "a"
    for room in ("cluster", "data_prep", "trainable", "deploy", "search"):
        assert (folder / room / "__init__.py").read_bytes() == (SHIPPED.parents[1] / room / "__init__.py").read_bytes()
    assert (folder / "search" / "studies" / "demo.toml").is_file()
    assert not list(folder.rglob("__pycache__"))
    before = folder.stat().st_mtime_ns
    assert stage({"study.toml": "a"}, tmp_path) == folder
    assert folder.stat().st_mtime_ns == before
    assert stage({"study.toml": "b"}, tmp_path) != folder
    shutil.rmtree(folder)


def test_slurm_s_files_lie_in_the_shared_folder(study: Study, tmp_path: Path) -> None:
    assert make_plan(study, "slurm").folder == tmp_path / "shared/results/studies/s/launch/slurm"
    assert make_plan(study, "aws").folder == tmp_path / "results/studies/s/launch/aws"
    assert isinstance(make_plan(study, "aws"), LaunchPlan)
