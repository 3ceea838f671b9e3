"""Readers never see part of a file, and a full disk is told clearly."""

from pathlib import Path

import pytest

from cluster.errors import SpoofsweepError
from data_prep.atomic import atomic_write, atomic_write_bytes, atomic_write_text


def test_write_makes_folders_and_leaves_nothing_beside(tmp_path: Path) -> None:
    atomic_write_text(tmp_path / "a" / "b.txt", "één")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "één".encode()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_failure_keeps_the_old_file_and_removes_the_temporary(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic_write_bytes(path, b"old")

    def fail(file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_is_one_clear_error(tiny_disk: Path) -> None:
    atomic_write_bytes(tiny_disk / "small", b"x")
    with pytest.raises(SpoofsweepError, match=r"disk must have room.*big"):
        atomic_write_bytes(tiny_disk / "big", bytes(1 << 20))
    assert [path.name for path in tiny_disk.iterdir()] == ["small"]


def test_other_failures_of_the_file_system_pass_through(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        atomic_write_bytes(tmp_path / "file" / "below", b"x")
