"""WaveFake and MLAAD: generated speech without bona fide speech of its own."""

from pathlib import Path

import pytest
from parser_contract import ParserContract, ProtocolContract
from trees import write_audio

from cluster.errors import SpoofsweepError


class TestWavefake(ParserContract):
    layout = "wavefake"
    expected = {("eval", "spoof"): 3}  # noqa: RUF012

    def test_generators_are_the_attacks_and_repeated_files_are_left_out(self, root: Path) -> None:
        found = {u.utterance_id: (u.attack, u.speaker) for u in self.read(root).utterances}
        prompts = "common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech"
        assert found == {
            f"{prompts}/gen_1": (prompts, "LJ"),
            "jsut_parallel_wavegan/LJ001-0001_gen": ("jsut_parallel_wavegan", "JSUT"),
            "ljspeech_melgan/LJ001-0001_gen": ("ljspeech_melgan", "LJ"),
        }

    def test_one_generator_does_not_bring_the_others(self, root: Path) -> None:
        with pytest.raises(SpoofsweepError, match=r"must hold folders of generated speech.*with: LJ001-0001_gen\.wav"):
            self.read(root / "ljspeech_melgan")

    def test_bona_fide_corpora_beside(self, root: Path) -> None:
        write_audio(root / "LJSpeech-1.1" / "wavs" / "LJ001-0001.wav")
        write_audio(root / "jsut_ver1.1" / "basic5000" / "wav" / "BASIC5000_0001.wav")
        corpus = self.read(root)
        assert corpus.published == {("eval", "spoof"): 117_985}
        bonafide = {u.speaker: u.utterance_id for u in corpus.utterances if u.label == "bonafide"}
        assert bonafide == {
            "LJ": "LJSpeech-1.1/wavs/LJ001-0001",
            "JSUT": "jsut_ver1.1/basic5000/wav/BASIC5000_0001",
        }


class TestMlaad(ProtocolContract):
    layout = "mlaad"
    expected = {("eval", "spoof"): 4}  # noqa: RUF012
    malformed = "|x.wav|de|True|3.2|LJ|xtts|XTTS|text"
    rule = "'path' must name a file"

    def protocol(self, root: Path) -> Path:
        return root / "fake" / "de" / "tts_models_xtts v2" / "meta.csv"

    def test_model_is_the_attack_in_all_languages(self, root: Path) -> None:
        utterances = self.read(root).utterances
        assert {u.attack for u in utterances} == {"tts_models_xtts_v2"}
        assert utterances[0].utterance_id == "de/tts_models_xtts_v2/audio_000"
        assert utterances[0].channel == {"language": "de", "architecture": "XTTS"}

    def test_folder_without_its_table_is_listed(self, root: Path) -> None:
        self.protocol(root).unlink()
        assert len(self.read(root).utterances) == 4

    def test_quotation_marks_are_text(self, root: Path) -> None:
        for number in range(2):
            self.append(root, f'./fake/de/x/more_{number}.wav|x.wav|de|True|3.2|LJ|xtts|XTTS|"Nein, sagte sie.')
        assert [u.utterance_id.rpartition("/")[2] for u in self.read(root).utterances if "/de/" in str(u.path)] == [
            "audio_000",
            "audio_001",
            "more_0",
            "more_1",
        ]

    def test_lines_that_end_early(self, root: Path) -> None:
        self.append(root, "./a.wav|x.wav|de")
        with pytest.raises(SpoofsweepError, match="fields up to 'architecture' are expected"):
            self.read(root)
