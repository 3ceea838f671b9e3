"""What counts as audio, and where it is found."""

from pathlib import Path

from data_prep.audio_files import DECODABLE_SUFFIXES, audio_files_below


def test_files_below_are_found_in_order_and_through_links(tmp_path: Path) -> None:
    for name in ("top/b.FLAC", "top/a/c.m4a", "top/notes.txt", "elsewhere/d.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    top = tmp_path / "top"
    (top / "link").symlink_to(tmp_path / "elsewhere")
    assert audio_files_below(top) == [top / "a/c.m4a", top / "b.FLAC", top / "link/d.wav"]
    assert audio_files_below(top, DECODABLE_SUFFIXES) == [top / "b.FLAC", top / "link/d.wav"]
