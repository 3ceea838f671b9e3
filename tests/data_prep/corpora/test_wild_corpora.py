"""In-the-Wild, FakeOrReal and ADD 2023: corpora that name no attacks."""

from pathlib import Path

import pytest
from parser_contract import ParserContract, ProtocolContract
from trees import fake_or_real, write_audio, write_lines

from cluster.errors import SpoofsweepError


class TestInTheWild(ProtocolContract):
    layout = "in-the-wild"
    expected = {("eval", "bonafide"): 2, ("eval", "spoof"): 2}  # noqa: RUF012
    malformed = "9.wav,Alan Turing,genuine"
    rule = "the key must be 'bona-fide' or 'spoof', found 'genuine'"

    def protocol(self, root: Path) -> Path:
        return root / "meta.csv"

    def test_speakers_have_names_and_attacks_none(self, root: Path) -> None:
        utterances = self.read(root).utterances
        assert {u.speaker for u in utterances} == {"Ada Lovelace", "Alan Turing"}
        assert {u.attack for u in utterances} == {"-", "unknown"}
        assert not any(u.has_known_attack for u in utterances)

    def test_number_of_fields(self, root: Path) -> None:
        self.append(root, "9.wav,Alan Turing,spoof,more")
        with pytest.raises(SpoofsweepError, match=r"3 fields expected .*found 4"):
            self.read(root)

    def test_quotation_marks_enclose_fields(self, root: Path) -> None:
        self.append(root, '9.wav,"Turing, Alan",spoof')
        assert self.read(root).utterances[-1].speaker == "Turing, Alan"
        self.append(root, '10.wav,"Turing,spoof')
        with pytest.raises(SpoofsweepError, match=r"meta\.csv: .* begins at line 7; close every quotation mark"):
            self.read(root)


class TestFakeOrReal(ParserContract):
    layout = "fake-or-real"

    def test_mp3_and_wav_of_one_name_are_two_utterances(self, root: Path) -> None:
        names = [u.utterance_id for u in self.read(root).utterances if u.split == "train" and u.label == "spoof"]
        assert names == ["training/fake/file1.mp3", "training/fake/file1.wav"]

    @pytest.mark.parametrize("inner", ["", "for-norm"])
    def test_root_may_be_the_variant(self, root: Path, inner: str) -> None:
        assert self.read(root / inner) == self.read(root)

    @pytest.mark.parametrize(
        ("variant", "folder"),
        [("norm", "for-norm/for-norm"), ("2sec", "for-2sec/for-2seconds"), ("rerec", "for-rerec/for-rerecorded")],
    )
    def test_nested_as_archives_unpack(self, root: Path, tmp_path: Path, variant: str, folder: str) -> None:
        unpacked = tmp_path / folder
        unpacked.parent.mkdir()
        (root / "for-norm").rename(unpacked)
        for place in (tmp_path, unpacked.parent, unpacked):
            assert len(self.read(place, subset=variant).utterances) == 12

    def test_one_of_several_variants_must_be_chosen(self, root: Path) -> None:
        fake_or_real(root, "2sec")
        with pytest.raises(SpoofsweepError, match=r"must choose a variant.*here are norm, 2sec"):
            self.read(root)
        assert self.read(root, subset="2sec").root == root / "for-2sec"
        with pytest.raises(SpoofsweepError, match=r"must hold for-rerec.*with: norm, 2sec"):
            self.read(root, subset="rerec")


class TestAdd2023(ProtocolContract):
    layout = "add2023"
    malformed = "ADD2023_T1.2_T_9.wav real"
    rule = "the key must be 'genuine' or 'fake', found 'real'"

    def protocol(self, root: Path) -> Path:
        # Labels of a folder alone are read in order: dev, test, train.
        return root / "dev" / "label.txt"

    def test_ids_keep_the_dots_of_file_names(self, root: Path) -> None:
        assert "ADD2023_T1.2_T_00000000" in {u.utterance_id for u in self.read(root).utterances}

    def test_one_folder_alone_is_for_evaluation(self, root: Path) -> None:
        assert {u.split for u in self.read(root / "train").utterances} == {"eval"}

    def test_test_rounds(self, root: Path) -> None:
        write_audio(root / "testR2" / "wav" / "ADD2023_T1.2R2_E_1.wav")
        write_lines(root / "testR2" / "label.txt", "ADD2023_T1.2R2_E_1.wav fake")
        assert len(self.read(root).utterances) == 13
        assert len(self.read(root, subset="R2").utterances) == 9
        (root / "testR2" / "label.txt").unlink()
        with pytest.raises(SpoofsweepError, match="must hold the test round R2"):
            self.read(root, subset="R2")
