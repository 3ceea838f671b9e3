"""Corpora described by a table, or by folders for classes."""

from pathlib import Path

import pytest
from parser_contract import ParserContract, ProtocolContract
from trees import parquet_manifest, write_audio, write_lines

from cluster.errors import SpoofsweepError


class TestCsv(ProtocolContract):
    layout = "manifest"
    malformed = "audio/x.flac,genuine,train,,,"
    rule = "'genuine'"

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
            (",spoof,train,s,tts,opus", "path must name a file"),
            (".,spoof,train,s,tts,opus", "path must name a file"),
            ("audio/..,spoof,train,s,tts,opus", "path must name a file"),
            ("a.wav,spoof,test,s,tts,opus", "found 'test'"),
            ("a.wav,bonafide,train,s,tts,opus", "does not fit"),
        ],
    )
    def test_rules(self, root: Path, line: str, rule: str) -> None:
        self.append(root, line)
        with pytest.raises(SpoofsweepError, match=rule):
            self.read(root)

    def test_white_space_in_a_path_becomes_an_underscore_in_the_id(self, root: Path) -> None:
        self.append(root, "my audio/a b.wav,spoof,train,,,")
        last = self.read(root).utterances[-1]
        assert (last.utterance_id, last.path) == ("my_audio/a_b", root.parent / "my audio/a b.wav")

    def test_path_of_a_folder_beside_is_written_out(self, root: Path) -> None:
        self.append(root, "../audio/a.wav,spoof,train,,,")
        last = self.read(root).utterances[-1]
        assert (last.utterance_id, last.path) == ("../audio/a", root.parent.parent / "audio" / "a.wav")

    def test_row_numbers_beside_the_table_are_passed_over(self, root: Path) -> None:
        before = self.read(root).utterances
        header, *rows = root.read_text().splitlines()
        write_lines(root, f",{header}", *(f"{number},{row}" for number, row in enumerate(rows)))
        assert self.read(root).utterances == before

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
        with pytest.raises(SpoofsweepError, match=r"must name a CSV or Parquet file itself.*with: audio, corpus\.csv"):
            self.read(root.parent)


class TestParquet(ParserContract):
    layout = "manifest"

    def make(self, folder: Path) -> Path:
        return parquet_manifest(folder)

    def test_is_read_as_the_csv_of_the_same_rows(self, root: Path, tmp_path: Path) -> None:
        rows = [(u.utterance_id, u.speaker, u.attack, u.channel) for u in self.read(root).utterances]
        same = self.read(ParserContract.make(self, tmp_path / "csv")).utterances  # type: ignore[arg-type]
        assert rows == [(u.utterance_id, u.speaker, u.attack, u.channel) for u in same]

    def test_file_that_is_not_parquet(self, root: Path) -> None:
        root.write_text("path,label,split\n")
        with pytest.raises(SpoofsweepError, match=r"must be a Parquet or CSV file.*corpus\.parquet"):
            self.read(root)


class TestFolders(ParserContract):
    layout = "folders"

    def test_subfolders_of_a_spoofed_class_are_attacks(self, root: Path) -> None:
        utterances = [u for u in self.read(root).utterances if u.split == "eval"]
        assert [(u.utterance_id, u.attack) for u in utterances] == [
            ("test/Genuine/a.wav", "-"),
            ("test/Genuine/b_c.mp3", "-"),
            ("test/fake/b.wav", "unknown"),
            ("test/fake/tts_1/a.wav", "tts_1"),
        ]

    def test_one_class_does_not_bring_the_others(self, root: Path) -> None:
        with pytest.raises(SpoofsweepError, match=r"must hold folders for classes.*with: b\.wav, tts 1"):
            self.read(root / "test" / "fake")

    def test_without_splits_all_is_for_evaluation(self, tmp_path: Path) -> None:
        write_audio(tmp_path / "corpus" / "bonafide" / "a.flac")
        write_audio(tmp_path / "corpus" / "spoof" / "a.flac")
        assert {(u.split, u.label) for u in self.read(tmp_path / "corpus").utterances} == {
            ("eval", "bonafide"),
            ("eval", "spoof"),
        }
