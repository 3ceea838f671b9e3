"""Folders of recordings: listed, named, identified by content."""

from pathlib import Path

import pytest
import soundfile
from miniature import speech
from view_maker import chain, view

from cluster.errors import SpoofsweepError
from data_prep.augmentation.config import AugmentationConfig
from data_prep.augmentation.recordings import Recordings, list_recordings, with_content_identity


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


@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_another_recording_of_the_same_size_is_another_identity(folder: Path, place: str) -> None:
    config = chain({"kind": "noise", "folder": str(folder)})
    path = folder / "free" / "hum.wav"
    wave = speech(10.0)
    soundfile.write(path, wave, 16000)
    before, size = identity(config), path.stat().st_size
    path.touch()
    assert identity(config) == before
    first = {"start": 0, "middle": 80000, "end": 159000}[place]
    wave[first : first + 1000] *= 0.5
    soundfile.write(path, wave, 16000)
    assert path.stat().st_size == size
    assert identity(config) != before


def test_folder_that_is_never_drawn_from_need_not_be_there(tmp_path: Path) -> None:
    config = chain({"kind": "noise", "folder": str(tmp_path / "none"), "probability": 0.0})
    assert list_recordings(config, Path()) == {}
    assert "none" not in identity(config).model_dump_json()


@pytest.mark.parametrize("kind", ["noise", "reverb"])
@pytest.mark.parametrize("number", range(3))
def test_a_recording_damaged_inside_is_named(tmp_path: Path, kind: str, number: int) -> None:
    path = tmp_path / "hum.flac"
    soundfile.write(path, speech(2.0), 16000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(SpoofsweepError, match=r"hum\.flac \("):
        view({"kind": kind, "folder": str(tmp_path)}, number=number + 1)


def test_names_of_a_kind_are_those_in_its_subfolder_alone() -> None:
    names = ("free-2/a.wav", "free.wav", "free/b.wav", "free/sub/c.wav", "free0/d.wav", "other/free/e.wav")
    recordings = Recordings(Path(), tuple(sorted(names)))
    assert recordings.below("free") == ("free/b.wav", "free/sub/c.wav")
    assert recordings.below("free/sub") == ("free/sub/c.wav",)
    assert recordings.below("sub") == ()


def test_empty_or_missing_folder_is_named(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(SpoofsweepError, match=rf"must hold audio.*{place}"):
            list_recordings(chain({"kind": "reverb", "folder": str(place)}), Path())


def test_kind_without_a_subfolder_is_named(folder: Path) -> None:
    step = {"kind": "noise", "folder": str(folder), "kinds": {"free": [0, 5], "musik": [0, 5]}}
    with pytest.raises(SpoofsweepError, match="musik"):
        list_recordings(chain(step), Path())
