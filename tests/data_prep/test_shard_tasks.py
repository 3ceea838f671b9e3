"""Shards as Ray tasks: a lost worker is made good, and a shard that loses each worker is named."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PosixPath
from typing import Any

import pytest
from miniature import make_la, prep_config, train_file

from cluster.errors import SpoofsweepError
from data_prep.corpora import read_corpus
from data_prep.plan import Conversions, Recipe, ShardPlan, plan_shards
from data_prep.shard_builder import build_shard
from data_prep.shard_part import read_parts
from data_prep.shard_tasks import MAX_LOSSES, run_plans

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    config = prep_config(make_la(tmp_path / "LA", per_class=4, seconds=0.3), augmentation={})
    corpus = read_corpus(config.corpus, Path(), seed=0)
    return Recipe(tmp_path / "set", corpus, config, {}, Conversions({}, {}))


def plans_of(recipe: Recipe) -> list[ShardPlan]:
    return plan_shards(recipe.corpus.utterances, 2)


def deadly(path: Path, log: Path, lives: int) -> Path:
    """A path that kills the process that asks for its size, ``lives`` times; each leaves a line in ``log``."""

    class DeadlyPath(PosixPath):  # local, so that it reaches Ray's workers by value
        def stat(self, **arguments: Any) -> os.stat_result:
            with open(log, "a+") as file:
                file.seek(0)
                died = len(file.readlines())
                if died < lives:
                    file.write("died\n")
                    file.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
            return os.stat(str(self))

    return DeadlyPath(path)


def with_path(plans: list[ShardPlan], change: Callable[[Path], Path], utterance_id: str) -> list[ShardPlan]:
    def changed(plan: ShardPlan) -> ShardPlan:
        members = (replace(u, path=change(u.path)) if u.utterance_id == utterance_id else u for u in plan.utterances)
        return replace(plan, utterances=tuple(members))

    return [changed(plan) for plan in plans]


def test_each_plan_is_built_once_and_tells_its_seconds(recipe: Recipe) -> None:
    plans = plans_of(recipe)
    built = dict(run_plans(list(reversed(plans)), recipe))
    assert {plan.number for plan in built} == {plan.number for plan in plans}
    assert sum(built.values()) == pytest.approx(24 * 0.3)
    parts = dict(read_parts(recipe.folder, range(len(plans))))
    assert {plan.number: seconds for plan, seconds in built.items()} == {n: part.audio_s for n, part in parts.items()}


def test_a_shard_whose_worker_is_lost_is_built_by_another(recipe: Recipe, tmp_path: Path) -> None:
    for plan in plans_of(recipe):
        build_shard(plan, replace(recipe, folder=tmp_path / "undisturbed"))
    log = tmp_path / "deaths"
    plans = with_path(plans_of(recipe), lambda path: deadly(path, log, 1), "LA_T_0000001")
    assert len(list(run_plans(plans, recipe))) == len(plans)
    assert log.read_text() == "died\n"
    for path in (tmp_path / "undisturbed").rglob("*.safetensors"):
        assert (recipe.folder / path.name).read_bytes() == path.read_bytes()


@pytest.mark.long
def test_a_shard_that_loses_every_worker_is_named_with_its_utterances(recipe: Recipe, tmp_path: Path) -> None:
    """Slow: four workers are started, and each imports torch."""
    log = tmp_path / "deaths"
    plans = with_path(plans_of(recipe), lambda path: deadly(path, log, 99), "LA_T_0000001")
    with pytest.raises(
        SpoofsweepError, match=r"shard 0 lost 4.*of train: LA_T_0000000, LA_T_0000001(?s:.)*utterances_"
    ):
        list(run_plans(plans[:1], recipe))
    assert log.read_text().splitlines() == ["died"] * MAX_LOSSES


def test_what_a_lost_worker_had_finished_counts(recipe: Recipe, tmp_path: Path) -> None:
    plans = plans_of(recipe)
    build_shard(plans[0], recipe)
    log = tmp_path / "deaths"
    again = with_path(plans[:1], lambda path: deadly(path, log, 99), "LA_T_0000001")
    assert [seconds for _, seconds in run_plans(again, recipe)] == [pytest.approx(0.6)]
    assert log.read_text() == "died\n"


def test_conversions_reach_the_task(recipe: Recipe) -> None:
    first = train_file(recipe.corpus.root, 0)
    conversions = Conversions({}, {first: "would not convert", Path("/elsewhere"): "not of this shard"})
    list(run_plans(plans_of(recipe)[:1], replace(recipe, conversions=conversions)))
    ((_, part),) = read_parts(recipe.folder, [0])
    assert [(one.utterance_id, one.reason) for one in part.rejected] == [("LA_T_0000000", "would not convert")]


def test_an_error_of_the_shard_itself_is_not_tried_again(recipe: Recipe) -> None:
    recipe.folder.write_text("a file where the folder should be")
    with pytest.raises(Exception, match=r"NotADirectoryError|FileExistsError"):
        list(run_plans(plans_of(recipe), recipe))
