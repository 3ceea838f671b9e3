"""ASVspoof 5, track 1."""

from pathlib import Path

import pytest
import soundfile
from miniature import speech
from parser_contract import ParserContract

from cluster.errors import SpoofsweepError

_SPLITS = {"T": ("flac_T", "train"), "D": ("flac_D", "dev.track_1"), "E": ("flac_E_eval", "eval.track_1")}


class TestAsvspoof5(ParserContract):
    layout = "asvspoof5"
    malformed = "T_1 T_9 F - - - AC1 A05 bonafide -"
    rule = "'A05' does not fit key 'bonafide'"

    def make(self, folder: Path) -> Path:
        for letter, (audio, name) in _SPLITS.items():
            (folder / audio).mkdir(parents=True)
            lines = []
            for i in range(4):
                attack, key = ("bonafide", "bonafide") if i < 2 else ("A05", "spoof")
                lines.append(f"{letter}_{i} {letter}_00{i} F C05 3 - AC1 {attack} {key} -\n")
                soundfile.write(folder / audio / f"{letter}_00{i}.flac", speech(0.05, seed=i), 16000)
            (folder / f"ASVspoof5.{name}.tsv").write_text("".join(lines))
        return folder

    def protocol(self, root: Path) -> Path:
        return root / "ASVspoof5.train.tsv"

    def test_channel_facts_without_blanks(self, root: Path) -> None:
        expected = {"gender": "F", "codec": "C05", "codec_quality": "3", "attack_tag": "AC1"}
        assert self.read(root).utterances[0].channel == expected

    def test_protocols_in_a_folder_of_their_own(self, root: Path) -> None:
        before = self.read(root).utterances
        (root / "protocols").mkdir()
        for protocol in root.glob("*.tsv"):
            protocol.rename(root / "protocols" / protocol.name)
        assert self.read(root).utterances == before

    def test_number_of_columns(self, root: Path) -> None:
        self.protocol(root).write_text("T_1 T_9 F - - - AC1 A05 spoof\n")
        with pytest.raises(SpoofsweepError, match="10 fields expected"):
            self.read(root)
