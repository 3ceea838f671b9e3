"""Files that cannot be scored, and where the verdicts go; no model is needed for either."""

from pathlib import Path

import pytest

from cluster.errors import SpoofsweepError
from data_prep.decoding import decode
from deploy.cli import find_audio, make_folder_of
from deploy.verdicts import Verdict


class Decoder:
    """The part of a detector that fails on a file."""

    def score_file(self, path: Path) -> None:
        decode(path, 16000)


@pytest.mark.parametrize(("name", "hinted"), [("a.m4a", True), ("a.txt", False)])
def test_what_conversion_may_mend_is_sent_there(tmp_path, name, hinted):
    (tmp_path / name).write_text("not readable by libsndfile")
    verdict = Verdict.of(Decoder(), tmp_path / name)
    assert "not readable as audio" in verdict.error
    assert ("run `spoofsweep convert` first" in verdict.error) == hinted


def test_a_file_that_is_gone_is_a_verdict(tmp_path):
    assert "No such file" in Verdict.of(Decoder(), tmp_path / "gone.wav").error


def test_folders_are_searched_for_what_needs_no_conversion(tmp_path):
    for name in ("a.wav", "b.m4a"):
        (tmp_path / name).touch()
    assert find_audio([tmp_path]) == [tmp_path / "a.wav"]
    assert find_audio([tmp_path / "b.m4a"]) == [tmp_path / "b.m4a"]


def test_the_folder_of_the_csv_file_is_made(tmp_path):
    make_folder_of(tmp_path / "new" / "deep" / "verdicts.csv")
    assert (tmp_path / "new" / "deep").is_dir()


@pytest.mark.parametrize("name", ["file/verdicts.csv", "file/deep/verdicts.csv", "."])
def test_places_where_no_csv_file_can_be_are_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(SpoofsweepError, match="--csv"):
        make_folder_of(tmp_path / name)
