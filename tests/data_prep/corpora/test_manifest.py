"""Corpora described by a CSV file."""

from pathlib import Path

import pytest
import soundfile
from miniature import speech
from parser_contract import ParserContract

from cluster.errors import SpoofsweepError


class TestCsv(ParserContract):
    layout = "csv"
    malformed = "audio/x.flac,genuine,train,,,"
    rule = "'genuine'"

    def make(self, folder: Path) -> Path:
        (folder / "audio").mkdir(parents=True)
        lines = ["path,label,split,speaker,attack,codec"]
        for split in ("train", "dev", "eval"):
            for i, (label, attack) in enumerate([("bonafide", "-"), ("bonafide", ""), ("spoof", "tts"), ("spoof", "")]):
                lines.append(f"audio/{split}{i}.wav,{label},{split},{split}-speaker,{attack},opus")
                soundfile.write(folder / "audio" / f"{split}{i}.wav", speech(0.05), 16000)
        (folder / "corpus.csv").write_text("\n".join(lines) + "\n")
        return folder / "corpus.csv"

    def protocol(self, root: Path) -> Path:
        return root

    def test_defaults_and_facts(self, root: Path) -> None:
        utterances = self.read(root).utterances
        assert utterances[0].utterance_id == "audio/train0"
        assert [u.attack for u in utterances[:4]] == ["-", "-", "tts", "unknown"]
        assert utterances[0].channel == {"codec": "opus"}

    @pytest.mark.parametrize(
        ("line", "rule"),
        [
            ("a.wav,spoof,train", "as many fields"),
            ("a.wav,spoof,train,s,tts,opus,more", "as many fields"),
            (",spoof,train,s,tts,opus", "path must not be empty"),
            ("a.wav,spoof,test,s,tts,opus", "found 'test'"),
            ("a.wav,bonafide,train,s,tts,opus", "does not fit"),
        ],
    )
    def test_rules(self, root: Path, line: str, rule: str) -> None:
        with root.open("a") as file:
            file.write(line + "\n")
        with pytest.raises(SpoofsweepError, match=rule):
            self.read(root)

    def test_white_space_in_a_path_becomes_an_underscore_in_the_id(self, root: Path) -> None:
        with root.open("a") as file:
            file.write("my audio/a b.wav,spoof,train,,,\n")
        last = self.read(root).utterances[-1]
        assert (last.utterance_id, last.path) == ("my_audio/a_b", root.parent / "my audio/a b.wav")

    @pytest.mark.parametrize(("name", "attack", "rule"), [("a b", "tts", "utterance_id"), ("a", "t t", "attack")])
    def test_white_space_in_names(self, root: Path, name: str, attack: str, rule: str) -> None:
        root.write_text(f"path,label,split,utterance_id,attack\na.wav,spoof,train,{name},{attack}\n")
        with pytest.raises(SpoofsweepError, match=f":2: give an {rule} without white space"):
            self.read(root)

    @pytest.mark.parametrize(
        ("text", "line"),
        [('path,label,"split\na.wav,spoof,train\n', 1), ('path,label,split\na.wav,spoof,train\n"b,spoof,dev\nc\n', 3)],
    )
    def test_unclosed_quotes(self, root: Path, text: str, line: int) -> None:
        root.write_text(text)
        with pytest.raises(SpoofsweepError, match=rf"corpus\.csv: .* at line {line}; close"):
            self.read(root)

    def test_header_without_a_required_column(self, root: Path) -> None:
        root.write_text("path,label\na.wav,spoof\n")
        with pytest.raises(SpoofsweepError, match="add split"):
            self.read(root)

    def test_folder_instead_of_the_file(self, root: Path) -> None:
        with pytest.raises(SpoofsweepError, match="must name the CSV file"):
            self.read(root.parent)
