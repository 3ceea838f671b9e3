"""Scores of speaker verification that come with a corpus."""

from pathlib import Path

import pytest
from miniature import make_la

from cluster.errors import SpoofsweepError
from data_prep.config import CorpusConfig
from data_prep.corpora import asv_score_files


def make_corpus(root: Path, access: str) -> dict[str, Path]:
    make_la(root, per_class=1, seconds=0.05, access=access)
    folder = root / f"ASVspoof2019_{access}_asv_scores"
    folder.mkdir()
    files = {split: folder / f"ASVspoof2019.{access}.asv.{split}.gi.trl.scores.txt" for split in ("dev", "eval")}
    for path in files.values():
        path.write_text("bonafide target 1.0\n")
    return files


def config(root: Path, layout: str = "asvspoof2019-la", **more: object) -> CorpusConfig:
    return CorpusConfig.model_validate({"layout": layout, "root": str(root), **more})


@pytest.mark.parametrize("access", ["LA", "PA"])
def test_they_are_found_where_the_corpus_unpacks_them(tmp_path: Path, access: str) -> None:
    files = make_corpus(tmp_path / "corpus", access)
    layout = f"asvspoof2019-{access.lower()}"
    assert asv_score_files(config(tmp_path / "corpus", layout), tmp_path) == files
    assert asv_score_files(config(tmp_path, layout), tmp_path) == files  # the folder around it
    files["dev"].unlink()
    assert asv_score_files(config(Path("corpus"), layout), tmp_path) == {"eval": files["eval"]}


def test_they_go_where_the_utterances_go(tmp_path: Path) -> None:
    files = make_corpus(tmp_path, "LA")
    moved = config(tmp_path, splits={"train": ["train"], "dev": ["eval"], "eval": ["dev"]})
    assert asv_score_files(moved, tmp_path) == {"dev": files["eval"], "eval": files["dev"]}
    assert asv_score_files(config(tmp_path, splits={"dev": ["dev", "eval"]}), tmp_path) == {}
    assert asv_score_files(config(tmp_path, divide={"train": 0.5, "eval": 0.5}), tmp_path) == {}


def test_most_corpora_have_none(tmp_path: Path) -> None:
    assert asv_score_files(config(tmp_path / "nowhere", "asvspoof5"), tmp_path) == {}
    with pytest.raises(SpoofsweepError, match="root must exist"):
        asv_score_files(config(tmp_path / "nowhere"), tmp_path)
