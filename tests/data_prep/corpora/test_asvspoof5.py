"""ASVspoof 5, track 1."""

import shutil
from pathlib import Path

import pytest
from parser_contract import ProtocolContract

from cluster.errors import SpoofsweepError


class TestAsvspoof5(ProtocolContract):
    layout = "asvspoof5"
    malformed = "T_1 T_9 F - - - AC1 A05 bonafide -"
    rule = "'A05' does not fit key 'bonafide'"

    def protocol(self, root: Path) -> Path:
        return root / "ASVspoof5.train.tsv"

    def test_channel_facts_without_blanks(self, root: Path) -> None:
        self.append(root, "T_1 T_9 F - - - AC1 A05 spoof -")
        expected = {"gender": "F", "codec": "C05", "codec_quality": "3", "attack_tag": "AC1"}
        utterances = self.read(root).utterances
        assert utterances[0].channel == expected
        assert utterances[4].channel == {"gender": "F", "attack_tag": "AC1"}

    def test_protocols_in_a_folder_of_their_own(self, root: Path) -> None:
        before = self.read(root).utterances
        (root / "protocols").mkdir()
        for protocol in root.glob("*.tsv"):
            protocol.rename(root / "protocols" / protocol.name)
        assert self.read(root).utterances == before

    def test_audio_for_evaluation_alone(self, root: Path) -> None:
        before = self.read(root).utterances
        for folder in ("flac_T", "flac_D"):
            shutil.rmtree(root / folder)
        assert self.read(root).utterances[8:] == before[8:]

    @pytest.mark.parametrize(
        ("line", "rule"),
        [
            ("T_1 T_9 F - - - AC1 A05 spoof", "10 fields expected"),
            ("T_1 T_9 F - - - AC1 - spoof -", "attack '-' does not fit"),
            ("T_1 T_9 F - - - AC1 A05 fake -", "found 'fake'"),
        ],
    )
    def test_rules(self, root: Path, line: str, rule: str) -> None:
        self.append(root, line)
        with pytest.raises(SpoofsweepError, match=rule):
            self.read(root)
