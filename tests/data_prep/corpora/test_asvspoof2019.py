"""ASVspoof 2019 LA and PA."""

from pathlib import Path

import pytest
from miniature import train_file
from parser_contract import ProtocolContract

from cluster.errors import SpoofsweepError


class TestLa(ProtocolContract):
    layout = "asvspoof2019-la"
    malformed = "LA_0001 LA_T_9 - bonafide"
    rule = "5 fields expected .*found 4"

    def protocol(self, root: Path) -> Path:
        return root / "ASVspoof2019_LA_cm_protocols" / "ASVspoof2019.LA.cm.train.trn.txt"

    @pytest.mark.parametrize("inner", ["", "ASVspoof2019_LA_dev", ".."])
    def test_root_one_level_off_is_found(self, tmp_path: Path, inner: str) -> None:
        root = self.make(tmp_path / "outer" / "LA")
        assert self.read(root / inner).root == root

    def test_two_corpora_below_the_root_are_not_guessed(self, tmp_path: Path) -> None:
        self.make(tmp_path / "a")
        self.make(tmp_path / "b")
        with pytest.raises(SpoofsweepError, match="must hold one corpus"):
            self.read(tmp_path)

    def test_tabs_separate_fields(self, root: Path) -> None:
        before = self.read(root).utterances
        self.protocol(root).write_text(self.protocol(root).read_text().replace(" ", "\t"))
        assert self.read(root).utterances == before

    @pytest.mark.parametrize(
        ("line", "rule"),
        [
            ("LA_1 LA_T_9 - - genuine", "found 'genuine'"),
            ("LA_1 LA_T_9 - A01 bonafide", "does not fit"),
            ("LA_1 LA_T_9 - - spoof", "does not fit"),
        ],
    )
    def test_labels_are_strict(self, root: Path, line: str, rule: str) -> None:
        self.append(root, line)
        with pytest.raises(SpoofsweepError, match=rule):
            self.read(root)

    def test_audio_is_found_under_other_suffixes_and_flac_wins(self, root: Path) -> None:
        first, second = train_file(root, 0), train_file(root, 1)
        first.rename(first.with_suffix(".MP3"))
        second.with_suffix(".wav").write_bytes(b"")
        paths = [u.path.name for u in self.read(root).utterances[:2]]
        assert paths == ["LA_T_0000000.MP3", "LA_T_0000001.flac"]

    def test_missing_training_protocol(self, root: Path) -> None:
        self.protocol(root).unlink()
        with pytest.raises(SpoofsweepError, match=r"protocol file must exist.*train\.trn"):
            self.read(root)


class TestPa(ProtocolContract):
    layout = "asvspoof2019-pa"
    malformed = "PA_0001 PA_T_9 aaa - - bonafide"
    rule = "5 fields expected .*found 6"

    def protocol(self, root: Path) -> Path:
        return root / "ASVspoof2019_PA_cm_protocols" / "ASVspoof2019.PA.cm.train.trn.txt"

    def test_environment_is_a_channel_fact(self, root: Path) -> None:
        assert {u.channel["environment"] for u in self.read(root).utterances} == {"aaa"}
