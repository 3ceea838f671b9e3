"""Folders of recordings: listed, named, identified by content."""

from pathlib import Path

import pytest
import soundfile
from miniature import speech
from view_maker import chain

from cluster.errors import SpoofsweepError
from data_prep.augmentation.config import AugmentationConfig
from data_prep.augmentation.recordings import list_recordings, with_content_identity


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "noise"
    (folder / "free").mkdir(parents=True)
    soundfile.write(folder / "free" / "hum.wav", speech(), 16000)
    soundfile.write(folder / "clap.flac", speech(0.2), 16000)
    (folder / "README").write_text("no audio")
    return folder


def identity(config: AugmentationConfig, base: Path = Path()) -> AugmentationConfig:
    return with_content_identity(config, list_recordings(config, base))


def test_names_are_relative_and_sorted(folder: Path, tmp_path: Path) -> None:
    (recordings,) = list_recordings(chain({"kind": "noise", "folder": "noise"}), tmp_path).values()
    assert recordings.root == folder
    assert recordings.names == ("clap.flac", "free/hum.wav")
    assert recordings.below("free") == ("free/hum.wav",)


@pytest.mark.parametrize("kind", ["noise", "reverb"])
def test_identity_of_a_folder_is_its_content(folder: Path, tmp_path: Path, kind: str) -> None:
    before = identity(chain({"kind": kind, "folder": str(folder)}))
    assert str(tmp_path) not in before.model_dump_json()
    moved = folder.rename(tmp_path / "elsewhere")
    assert identity(chain({"kind": kind, "folder": str(moved)})) == before
    soundfile.write(moved / "more.wav", speech(), 16000)
    assert identity(chain({"kind": kind, "folder": str(moved)})) != before


def test_folder_that_is_never_drawn_from_need_not_be_there(tmp_path: Path) -> None:
    config = chain({"kind": "noise", "folder": str(tmp_path / "none"), "probability": 0.0})
    assert list_recordings(config, Path()) == {}
    assert "none" not in identity(config).model_dump_json()


def test_empty_or_missing_folder_is_named(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(SpoofsweepError, match=rf"must hold audio.*{place}"):
            list_recordings(chain({"kind": "reverb", "folder": str(place)}), Path())


def test_kind_without_a_subfolder_is_named(folder: Path) -> None:
    step = {"kind": "noise", "folder": str(folder), "kinds": {"free": [0, 5], "musik": [0, 5]}}
    with pytest.raises(SpoofsweepError, match="musik"):
        list_recordings(chain(step), Path())
