"""What every corpus parser must do; one subclass a layout."""

from collections import Counter
from pathlib import Path

import pytest

from cluster.errors import SpoofsweepError
from data_prep.config import CorpusConfig
from data_prep.corpora import read_corpus
from data_prep.utterance import Corpus


class ParserContract:
    """Subclasses write a tree of two bona fide and two spoofed utterances a split, all with audio."""

    layout: str
    malformed: str
    """A line that breaks a rule."""
    rule: str
    """What the error must say about it (regular expression)."""

    def make(self, folder: Path) -> Path:
        """Write the tree; returns ``corpus.root``."""
        raise NotImplementedError

    def protocol(self, root: Path) -> Path:
        """The protocol file of the training split."""
        raise NotImplementedError

    def read(self, root: Path, base: Path = Path()) -> Corpus:
        return read_corpus(CorpusConfig.model_validate({"layout": self.layout, "root": str(root)}), base)

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return self.make(tmp_path / "corpus")

    def test_reads_all_splits_and_labels(self, root: Path) -> None:
        corpus = self.read(root)
        assert corpus.layout == self.layout
        expected = {(split, label): 2 for split in ("train", "dev", "eval") for label in ("bonafide", "spoof")}
        assert Counter((u.split, u.label) for u in corpus.utterances) == expected
        assert len({u.utterance_id for u in corpus.utterances}) == 12

    def test_attack_stands_for_spoofs_alone(self, root: Path) -> None:
        assert all((u.attack == "-") == (u.label == "bonafide") for u in self.read(root).utterances)

    def test_paths_are_absolute_and_exist(self, root: Path) -> None:
        assert all(u.path.is_absolute() and u.path.is_file() for u in self.read(root).utterances)

    def test_relative_root_starts_at_base(self, root: Path, tmp_path: Path) -> None:
        assert self.read(root.relative_to(tmp_path), base=tmp_path) == self.read(root)

    def test_missing_root(self, tmp_path: Path) -> None:
        with pytest.raises(SpoofsweepError, match="root must exist"):
            self.read(tmp_path / "nowhere")

    def test_malformed_lines_are_all_named(self, root: Path) -> None:
        protocol = self.protocol(root)
        number = len(protocol.read_text().splitlines())
        with protocol.open("a") as file:
            file.write(f"{self.malformed}\n" * 12)
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

    def test_identity_follows_content_and_not_place(self, root: Path, tmp_path: Path) -> None:
        identity = self.read(root).identity
        assert self.read(self.make(tmp_path / "copy" / "deeper")).identity == identity
        victim = self.read(root).utterances[0].path
        victim.write_bytes(victim.read_bytes() + b"x")
        assert self.read(root).identity != identity

    def test_identity_follows_protocols(self, root: Path) -> None:
        identity = self.read(root).identity
        protocol = self.protocol(root)
        protocol.write_text(protocol.read_text() + "\n")
        assert self.read(root).identity != identity

    def test_protocol_that_is_not_text(self, root: Path) -> None:
        self.protocol(root).write_bytes(b"\xff\xfe\x00\x01")
        with pytest.raises(SpoofsweepError, match="UTF-8"):
            self.read(root)
