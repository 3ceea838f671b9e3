"""ASVspoof 2015 and 2017."""

from pathlib import Path

import pytest
from parser_contract import ProtocolContract
from trees import asvspoof2017, write_lines

from cluster.errors import SpoofsweepError


class TestAsvspoof2015(ProtocolContract):
    layout = "asvspoof2015"
    malformed = "T1 T1_1 human spoof"
    rule = "attack 'human' does not fit key 'spoof'"

    def protocol(self, root: Path) -> Path:
        return root / "CM_protocol" / "cm_train.trn.txt"

    def test_files_lie_in_folders_of_speakers(self, root: Path) -> None:
        third = self.read(root).utterances[2]
        assert (third.speaker, third.attack, third.path) == ("T1", "S2", root / "wav" / "T1" / "T1_1000002.wav")

    @pytest.mark.parametrize(("line", "rule"), [("T1 T1_1 S1 genuine", "found 'genuine'"), ("T1 T1_1 spoof", "4 fie")])
    def test_rules(self, root: Path, line: str, rule: str) -> None:
        self.append(root, line)
        with pytest.raises(SpoofsweepError, match=rule):
            self.read(root)


class TestAsvspoof2017(ProtocolContract):
    layout = "asvspoof2017"
    malformed = "T_1.wav human M0001 S01 - - -"
    rule = "the key must be 'genuine' or 'spoof', found 'human'"

    def protocol(self, root: Path) -> Path:
        return root / "protocol_V2" / "ASVspoof2017_V2_train.trn.txt"

    def test_attack_is_the_replay_configuration(self, root: Path) -> None:
        utterances = self.read(root).utterances[:4]
        assert [u.attack for u in utterances] == ["-", "-", "E02-P04-R02", "E02-P04-R03"]
        assert utterances[2].utterance_id == "T_1000002"
        assert utterances[2].channel == {"phrase": "S02"}

    @pytest.mark.parametrize("evaluation_list", ["eval.trl", "eval_v2_key.trl"])
    def test_version_1(self, tmp_path: Path, root: Path, evaluation_list: str) -> None:
        first = asvspoof2017(tmp_path / "v1", "ASVspoof2017", "protocol")
        whole = first / "protocol" / "ASVspoof2017_eval.trl.txt"
        whole.rename(whole.with_name(f"ASVspoof2017_{evaluation_list}.txt"))
        assert [u.utterance_id for u in self.read(first).utterances] == [
            u.utterance_id for u in self.read(root).utterances
        ]

    @pytest.mark.parametrize("rest", ["", " - - - - - -"])
    def test_evaluation_list_without_keys(self, tmp_path: Path, rest: str) -> None:
        first = asvspoof2017(tmp_path / "v1", "ASVspoof2017", "protocol")
        write_lines(first / "protocol" / "ASVspoof2017_eval.trl.txt", "", f"E_1000000.wav{rest}")
        corpus = self.read(first)
        assert {u.split for u in corpus.utterances} == {"train", "dev"}
        assert corpus.notes == ("eval is left out: ASVspoof2017_eval.trl.txt tells no keys",)
