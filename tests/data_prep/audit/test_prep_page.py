"""The page of a preparation: beside the shards, no part of them, and never in their way."""

import io
import json
import re
from pathlib import Path

import pandas
import pytest
from miniature import make_la, prep_config, train_file
from rich.console import Console

from cluster.errors import SpoofsweepError
from data_prep.audit import prep_page
from data_prep.prepare import prepare
from data_prep.shards import ShardSet

pytestmark = pytest.mark.usefixtures("ray_session")


def prepared(root: Path, output: Path) -> tuple[ShardSet, str]:
    """The shard set made with a page, and what was printed."""
    console = Console(file=io.StringIO(), width=200)
    shard_set = prepare(prep_config(root), Path(), output, console=console, page=True)
    return shard_set, console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_la(tmp_path_factory.mktemp("corpus") / "LA", per_class=6)
    train_file(root).write_text("text")
    return root


def page_of(shard_set: ShardSet) -> Path:
    return prep_page.page_path(shard_set.folder.parent.parent, shard_set.shard_set_id)


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> tuple[ShardSet, str]:
    return prepared(root, tmp_path_factory.mktemp("output"))


def test_the_page_shows_views_counts_and_rejected_files(made: tuple[ShardSet, str]) -> None:
    shard_set, printed = made
    path = page_of(shard_set)
    assert f"Page with pictures: {path}" in printed
    html = path.read_text()
    assert html.count("<audio controls src=") == 2 * 2 * 3  # utterances of each class, their clean and augmented views
    assert "not readable as audio: Format not recognised" in html
    assert "real time" in html
    assert all(address.startswith(("data:", "#")) for address in re.findall(r'(?:src|href)="([^"]{0,30})', html))


def test_steps_are_counted_by_class() -> None:
    noise, pitch, both = ([{"step": step} for step in steps] for steps in (["noise"], ["pitch"], ["pitch", "noise"]))
    rows = [
        *(("train", "bonafide", view, "a", steps) for view, steps in ((1, noise), (1, both), (1, []), (1, noise))),
        *(("train", "spoof", view, "a", steps) for view, steps in ((1, [*noise, *noise]), (1, []))),
        ("train", "spoof", 2, "b", pitch),
        ("train", "bonafide", 0, "clean", []),
        ("dev", "bonafide", 1, "a", noise),
    ]
    index = pandas.DataFrame(rows, columns=["split", "label", "view", "policy", "augmentation"])
    index["augmentation"] = index.augmentation.map(json.dumps)
    assert prep_page.step_counts(index) == [
        ("a", "noise", {"bonafide": (3, 0.75), "spoof": (1, 0.5)}),
        ("a", "pitch", {"bonafide": (1, 0.25), "spoof": (0, 0.0)}),
        ("b", "pitch", {"spoof": (1, 1.0)}),
    ]


def test_the_shards_are_the_same_without_it(made: tuple[ShardSet, str], root: Path, tmp_path: Path) -> None:
    plain = prepare(prep_config(root), Path(), tmp_path, console=Console(quiet=True))
    assert not page_of(plain).exists()
    assert {path.name: path.read_bytes() for path in plain.folder.iterdir()} == {
        path.name: path.read_bytes() for path in made[0].folder.iterdir()
    }


def test_a_missing_page_is_drawn_again_and_one_that_is_there_is_kept(made: tuple[ShardSet, str], root: Path) -> None:
    path = page_of(made[0])
    path.unlink()
    output = made[0].folder.parent.parent
    assert f"Page with pictures: {path}" in prepared(root, output)[1]
    assert "<audio" in path.read_text()
    path.write_text("mine")
    assert prepared(root, output)[1] == ""
    assert path.read_text() == "mine"


def test_a_page_that_fails_costs_no_shards(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, text: str) -> None:
        raise SpoofsweepError("the disk must have room for what is written")

    monkeypatch.setattr(prep_page, "atomic_write_text", refuse)
    shard_set, printed = prepared(root, tmp_path)
    assert "could not be drawn (the disk must have room for what is written); the shards are complete" in printed
    assert ShardSet.open(shard_set.folder) == shard_set
