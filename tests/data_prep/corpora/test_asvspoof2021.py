"""ASVspoof 2021 LA, DF and PA."""

from pathlib import Path

import pytest
from parser_contract import ProtocolContract

from cluster.errors import SpoofsweepError


class Asvspoof2021(ProtocolContract):
    task: str
    expected = {("eval", "bonafide"): 2, ("eval", "spoof"): 2}  # noqa: RUF012

    def protocol(self, root: Path) -> Path:
        return root / "keys" / self.task / "CM" / "trial_metadata.txt"

    @pytest.mark.parametrize(("subset", "number"), [("progress", 0), ("eval", 1), ("hidden", 2)])
    def test_subsets(self, root: Path, subset: str, number: int) -> None:
        utterances = self.read(root, subset=subset).utterances
        assert [u.utterance_id for u in utterances] == [f"{self.task}_E_{number}00000{i}" for i in range(4)]
        assert {u.split for u in utterances} == {"eval"}

    def test_malformed_lines_of_other_subsets_count(self, root: Path) -> None:
        self.append(root, self.protocol(root).read_text().splitlines()[0].replace("progress", "prog"))
        with pytest.raises(SpoofsweepError, match="subset must be one of eval, progress, hidden, found 'prog'"):
            self.read(root)

    def test_keys_in_the_folder_that_their_archive_makes(self, root: Path) -> None:
        before = self.read(root).utterances
        (root / "keys").rename(root / "unpacked")
        (root / f"{self.task}-keys-full").mkdir()
        (root / "unpacked").rename(root / f"{self.task}-keys-full" / "keys")
        assert self.read(root).utterances == before

    def test_audio_in_parts(self, root: Path) -> None:
        whole = root / f"ASVspoof2021_{self.task}_eval"
        for number, file in enumerate(sorted((whole / "flac").iterdir())):
            part = root / f"ASVspoof2021_{self.task}_eval_part0{number % 2}"
            folder = (part / whole.name if number % 2 else part) / "flac"
            folder.mkdir(parents=True, exist_ok=True)
            file.rename(folder / file.name)
        assert all(u.path.is_file() for u in self.read(root).utterances)


class TestLa(Asvspoof2021):
    layout, task = "asvspoof2021-la", "LA"
    malformed = "LA_0009 LA_E_1 alaw ita_tx A07 bonafide notrim eval"
    rule = "'A07' does not fit key 'bonafide'"

    def test_facts(self, root: Path) -> None:
        spoof = self.read(root).utterances[2]
        assert (spoof.attack, spoof.speaker) == ("A07", "LA_0002")
        assert spoof.channel == {"codec": "alaw", "transmission": "ita_tx", "trim": "notrim"}


class TestDf(Asvspoof2021):
    layout, task = "asvspoof2021-df", "DF"
    malformed = "LA_0023 DF_E_1 nocodec asvspoof A14 spoof notrim eval"
    rule = "13 fields expected .*found 8"

    def test_facts(self, root: Path) -> None:
        bonafide, _, spoof, _ = self.read(root).utterances
        assert (bonafide.attack, spoof.attack) == ("-", "A14")
        expected = {"codec": "low_mp3", "source": "asvspoof", "trim": "notrim", "vocoder": "traditional_vocoder"}
        assert spoof.channel == expected


class TestPa(Asvspoof2021):
    layout, task = "asvspoof2021-pa", "PA"
    malformed = "PA_0010 PA_E_1 R3 M3 d4 r1 m1 s4 c4 replay notrim eval"
    rule = "found 'replay'"

    def test_attack_is_told_by_device_and_distance(self, root: Path) -> None:
        bonafide, _, spoof, _ = self.read(root).utterances
        assert (bonafide.attack, spoof.attack) == ("-", "s4-c4")
        assert spoof.channel["attacker_room"] == "r1"
        assert bonafide.channel == {"room": "R3", "microphone": "M3", "distance": "d4", "trim": "notrim"}
