"""What every corpus parser must do; one subclass a layout."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from trees import TREES

from cluster.errors import SpoofsweepError
from data_prep.config import CorpusConfig
from data_prep.corpora import read_corpus
from data_prep.utterance import Corpus

BOTH = {(split, label): 2 for split in ("train", "dev", "eval") for label in ("bonafide", "spoof")}


class ParserContract:
    """Subclasses name a layout, whose miniature tree has two utterances a split and class, all with audio."""

    layout: str
    expected: dict[tuple[str, str], int] = BOTH
    """Utterances by split and class."""

    def make(self, folder: Path) -> Path:
        """Write the tree; returns the root of the corpus."""
        return TREES[self.layout](folder)

    def read(self, root: Path, base: Path = Path(), **more: Any) -> Corpus:
        return read_corpus(CorpusConfig.model_validate({"layout": self.layout, "root": str(root)} | more), base, seed=0)

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return self.make(tmp_path / "corpus")

    def test_reads_all_splits_and_labels(self, root: Path) -> None:
        corpus = self.read(root)
        assert corpus.layout == self.layout
        assert Counter((u.split, u.label) for u in corpus.utterances) == self.expected
        assert len({u.utterance_id for u in corpus.utterances}) == sum(self.expected.values())

    def test_attack_stands_for_spoofs_alone(self, root: Path) -> None:
        assert all((u.attack == "-") == (u.label == "bonafide") for u in self.read(root).utterances)

    def test_score_files_can_hold_ids_and_attacks(self, root: Path) -> None:
        assert not any(re.search(r"\s", u.utterance_id + u.attack) for u in self.read(root).utterances)

    def test_paths_are_absolute_and_exist(self, root: Path) -> None:
        assert all(u.path.is_absolute() and u.path.is_file() for u in self.read(root).utterances)

    def test_relative_root_starts_at_base(self, root: Path, tmp_path: Path) -> None:
        assert self.read(root.relative_to(tmp_path), base=tmp_path) == self.read(root)

    def test_missing_root(self, tmp_path: Path) -> None:
        with pytest.raises(SpoofsweepError, match="root must exist"):
            self.read(tmp_path / "nowhere")

    def test_root_of_something_else_says_what_was_looked_for(self, tmp_path: Path) -> None:
        (tmp_path / "deep" / "down").mkdir(parents=True)
        with pytest.raises(SpoofsweepError, match=r"the root must (hold|name) .*\(with: down\)"):
            self.read(tmp_path / "deep")

    def test_unknown_subset(self, root: Path) -> None:
        with pytest.raises(SpoofsweepError, match=f"part of the layout {self.layout}; got nonsense; (give|leave)"):
            self.read(root, subset="nonsense")

    def test_identity_follows_content_and_not_place(self, root: Path, tmp_path: Path) -> None:
        identity = self.read(root).identity
        assert self.read(self.make(tmp_path / "copy" / "deeper")).identity == identity
        victim = self.read(root).utterances[0].path
        victim.write_bytes(victim.read_bytes() + b"x")
        assert self.read(root).identity != identity


class ProtocolContract(ParserContract):
    """Of layouts whose utterances stand in text files."""

    malformed: str
    """A line that breaks a rule."""
    rule: str
    """What the error must say about it (regular expression)."""

    def protocol(self, root: Path) -> Path:
        """The first protocol file."""
        raise NotImplementedError

    def append(self, root: Path, *lines: str) -> None:
        with self.protocol(root).open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def test_malformed_lines_are_all_named(self, root: Path) -> None:
        protocol = self.protocol(root)
        number = len(protocol.read_text().splitlines())
        self.append(root, *[self.malformed] * 12)
        with pytest.raises(SpoofsweepError, match=self.rule) as caught:
            self.read(root)
        message = str(caught.value)
        assert f"{protocol}:{number + 1}:" in message
        assert "12 are not" in message
        assert "and 2 more" in message

    def test_blank_lines_byte_order_mark_and_crlf_are_tolerated(self, root: Path) -> None:
        before = self.read(root).utterances
        protocol = self.protocol(root)
        text = protocol.read_text().replace("\n", "\r\n")
        protocol.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n\r\n")
        assert self.read(root).utterances == before

    def test_identity_follows_protocols(self, root: Path) -> None:
        identity = self.read(root).identity
        self.append(root, "")
        assert self.read(root).identity != identity

    def test_protocol_that_is_not_text(self, root: Path) -> None:
        protocol = self.protocol(root)
        protocol.write_bytes(protocol.read_bytes() + b"\n\xff\xfe\x00\x01")
        with pytest.raises(SpoofsweepError, match="UTF-8"):
            self.read(root)

    def test_missing_audio_gets_the_path_where_it_should_be(self, root: Path) -> None:
        utterance = self.read(root).utterances[0]
        utterance.path.unlink()
        assert self.read(root).utterances[0].path == utterance.path
