import os

import pytest

from trainable.checkpoints.atomic_folder import readable_folder, replace_folder


def write(folder, text):
    with replace_folder(folder) as fresh:
        (fresh / "a").write_text(text)
        (fresh / "b").write_text(text)


def write_and_fail(folder):
    with replace_folder(folder) as fresh:
        (fresh / "a").write_text("new")
        (fresh / "missing").read_text()


def content(folder):
    return [path.read_text() for path in sorted(readable_folder(folder).iterdir())]


def test_a_folder_is_made_and_replaced_whole(tmp_path):
    folder = tmp_path / "deep" / "model"
    write(folder, "old")
    (folder / "stray").write_text("old")
    write(folder, "new")
    assert content(folder) == ["new", "new"]
    assert os.listdir(folder.parent) == ["model"]


def test_an_error_leaves_the_old_folder(tmp_path):
    folder = tmp_path / "model"
    write(folder, "old")
    with pytest.raises(FileNotFoundError):
        write_and_fail(folder)
    assert content(folder) == ["old", "old"]
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("survived", [0, 1, 2])
def test_killed_at_any_rename_readers_find_one_whole_folder(tmp_path, monkeypatch, survived):
    """Each rename in turn fails as if the process had died there; then a later writer clears up."""
    folder = tmp_path / "model"
    write(folder, "old")
    rename, done = os.rename, []

    def dying(source, target):
        if len(done) == survived:
            raise KeyboardInterrupt
        done.append(target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", dying)
    if survived < 2:
        with pytest.raises(KeyboardInterrupt):
            write(folder, "new")
    else:
        write(folder, "new")
    monkeypatch.setattr(os, "rename", rename)
    assert content(folder) == (["new", "new"] if survived == 2 else ["old", "old"])
    write(folder, "newest")
    assert content(folder) == ["newest", "newest"]
    assert os.listdir(tmp_path) == ["model"]


def test_other_users_may_read_it(tmp_path):
    write(tmp_path / "model", "x")
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "plain").stat().st_mode
