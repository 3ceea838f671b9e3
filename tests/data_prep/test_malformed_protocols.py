"""What fuzzing of the protocol parsers and the ledger found."""

from pathlib import Path

import pytest

from cluster.errors import SpoofsweepError
from data_prep.config import CorpusConfig
from data_prep.conversion_ledger import LEDGER, Ledger
from data_prep.corpora import read_corpus
from data_prep.validation import validate


def manifest(folder: Path, content: bytes) -> CorpusConfig:
    (folder / "a.csv").write_bytes(content)
    return CorpusConfig(layout="manifest", root=str(folder / "a.csv"))


def test_zero_byte_in_a_name(tmp_path: Path) -> None:
    config = manifest(tmp_path, b"path,label,split\na\0.flac,spoof,dev\n")
    with pytest.raises(SpoofsweepError, match="zero bytes"):
        read_corpus(config, Path(), seed=0)


@pytest.mark.parametrize("name", ["a" * 300, "a.csv/b.flac", "loop.flac", "closed/a.flac"])
def test_a_name_that_leads_to_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop.flac").symlink_to("loop.flac")
    config = manifest(tmp_path, f"path,label,split\n{name},spoof,dev\n".encode())
    corpus = read_corpus(config, Path(), seed=0)
    assert len(corpus.identity) == 64
    assert [one.reason for one in validate(corpus, config).rejected] == ["file missing"]


@pytest.mark.parametrize("line", [b"[1]", b"{}", b'{"source": 1}', b"\xff", b"[" * 100_000, b"null", b'"a"', b"1"])
def test_a_ledger_line_that_is_no_outcome(tmp_path: Path, line: bytes) -> None:
    good = b'{"source": "a.mp3", "size": -1, "sha256": "", "reason": "file missing"}\n'
    (tmp_path / LEDGER).write_bytes(good + line + b"\n" + good)
    with pytest.raises(SpoofsweepError, match="every line of the ledger must be an outcome"):
        Ledger.open(tmp_path)
    (tmp_path / LEDGER).write_bytes(good + line)
    assert list(Ledger.open(tmp_path).entries) == ["a.mp3"]
