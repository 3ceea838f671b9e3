"""Files in stores and archives: read once, listed once, written whole; and clear errors where that cannot be."""

import shutil
import zipfile
from pathlib import Path

import pytest
from miniature import make_la, prep_config, speech
from object_store import ObjectStore, download_all, upload

from cluster.errors import SpoofsweepError
from data_prep import format_bias
from data_prep.atomic import atomic_write, atomic_write_text
from data_prep.audio_files import audio_files_below
from data_prep.config import CorpusConfig
from data_prep.corpora import read_corpus
from data_prep.decoding import read_audio
from data_prep.remote_files import (
    expand_path,
    fetch,
    fetch_ahead,
    file_sizes,
    folder_sizes,
    inside_archive,
    is_remote,
    local_copies,
    relative_name,
    remove_folder,
    to_path,
)
from data_prep.validation import validate


def test_uris_and_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET", "corpora")
    assert str(expand_path("s3://${BUCKET}/LA", Path("/base"))) == "s3://corpora/LA"
    assert is_remote(expand_path("s3://corpora/LA", Path("/base")))
    assert expand_path("file:///data/LA%20corpus", Path("/base")) == Path("/data/LA corpus")
    assert not is_remote(to_path("LA"))


def test_paths_expand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CORPORA", str(tmp_path))
    assert expand_path("$CORPORA/LA", Path("/base")) == expand_path("${CORPORA}/LA", Path("/base")) == tmp_path / "LA"
    assert expand_path("../LA", Path("/base/study")) == Path("/base/LA")
    assert expand_path("~/LA", Path("/base")) == Path.home() / "LA"
    with pytest.raises(SpoofsweepError, match="variable in a path must be set"):
        expand_path("$NO_SUCH_VARIABLE/LA", Path())


def test_protocol_without_its_package() -> None:
    with pytest.raises(SpoofsweepError, match=r"gs:// needs its package.*gcsfs"):
        to_path("gs://bucket/LA")


def test_protocol_that_does_not_exist() -> None:
    with pytest.raises(SpoofsweepError, match=r"one of fsspec's; got s4://bucket"):
        to_path("s4://bucket/LA")


def test_store_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    to_path("s3://nowhere").fs.clear_instance_cache()  # type: ignore[attr-defined]
    with pytest.raises(SpoofsweepError, match=r"store of the corpus must be reachable.*AWS_ENDPOINT_URL"):
        read_corpus(CorpusConfig(layout="asvspoof2019-la", root="s3://nowhere/LA"), Path(), seed=0)
    to_path("s3://nowhere").fs.clear_instance_cache()  # type: ignore[attr-defined]


def test_names_relative_to_a_root() -> None:
    root = to_path("s3://bucket/LA")
    assert relative_name(root / "flac" / "a.flac", root) == "flac/a.flac"
    assert relative_name(to_path("s3://bucket/LA2/a.flac"), root) is None
    assert relative_name(Path("/LA/a.flac"), Path("/LA")) == "a.flac"
    assert relative_name(Path("/other/a.flac"), Path("/LA")) is None
    assert relative_name(Path("/LA/a.flac"), root) is None
    assert relative_name(root / "a.flac", to_path("s3://bucket")) == "LA/a.flac"


def test_recordings_must_be_on_disk() -> None:
    with pytest.raises(SpoofsweepError, match=r"must be on disk; got s3://bucket/noise"):
        audio_files_below(to_path("s3://bucket/noise"))


def test_write_read_list_remove(bucket: str) -> None:
    folder = to_path(f"s3://{bucket}/a/b")
    assert folder_sizes(folder) == {}
    atomic_write_text(folder / "text", "één")
    atomic_write(folder / "deeper" / "bytes", lambda file: file.write(b"123"))
    assert fetch(folder / "text").decode() == "één"
    assert folder_sizes(folder) == {"text": 5}
    assert folder_sizes(folder / "deeper") == {"bytes": 3}
    remove_folder(folder / "deeper")
    remove_folder(folder / "never")
    assert download_all(f"s3://{bucket}") == {"a/b/text": "één".encode()}


def test_failed_write_leaves_nothing(bucket: str) -> None:
    def fail(file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(to_path(f"s3://{bucket}/file"), fail)
    assert download_all(f"s3://{bucket}") == {}


def test_contents_come_in_order_and_gaps_are_told(bucket: str) -> None:
    root = to_path(f"s3://{bucket}")
    for number in range(40):
        if number != 25:
            atomic_write_text(root / f"{number:03d}", str(number))
    contents = list(fetch_ahead(root / f"{number:03d}" for number in range(40)))
    assert contents == [b"%d" % number if number != 25 else "file missing" for number in range(40)]


def test_an_archive_beside_a_store_has_one_reader(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for number in range(30):
        (tmp_path / "files" / f"{number:03d}").write_bytes(bytes([number]) * 300_000)
    archive = shutil.make_archive(str(tmp_path / "packed"), "tar", root_dir=tmp_path, base_dir="files")
    packed = inside_archive(Path(archive)) / "files"
    store = to_path(f"s3://{bucket}")
    atomic_write_text(store / "first", "first")
    contents = list(fetch_ahead([store / "first", *(packed / f"{number:03d}" for number in range(30))]))
    assert contents == [b"first", *(bytes([number]) * 300_000 for number in range(30))]


def test_files_are_fetched_once_and_leave_no_copy(
    bucket: str, store_server: ObjectStore, la_root: Path, tmp_path: Path
) -> None:
    local = sorted(la_root.rglob("*.flac"))
    upload(la_root, f"s3://{bucket}/LA")
    remote = [to_path(f"s3://{bucket}/LA/{path.relative_to(la_root)}") for path in local]
    copies = []
    for copy, original in zip(local_copies(remote), local, strict=True):
        assert isinstance(copy, Path)
        assert copy.read_bytes() == original.read_bytes()
        copies.append(copy)
    assert not any(copy.exists() for copy in copies)
    gets = [
        count for (method, key), count in store_server.requests(bucket).items() if method in ("GET", "HEAD") and key
    ]
    assert gets == [1] * len(local)
    assert list(local_copies(local)) == local
    assert (read_audio(remote[0], 16000).wave == read_audio(local[0], 16000).wave).all()


def test_a_corpus_costs_listings_and_a_sample_of_its_files(
    bucket: str, store_server: ObjectStore, la_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (la_root / "ASVspoof2019_LA_eval" / "flac" / "LA_E_0000001.flac").unlink()
    upload(la_root, f"s3://{bucket}/LA")
    config = prep_config(la_root).corpus
    here = read_corpus(config, Path(), seed=0)
    there = read_corpus(config.model_copy(update={"root": f"s3://{bucket}/LA"}), Path(), seed=0)
    assert there.identity == here.identity
    asked = store_server.requests(bucket)
    assert not [key for method, key in asked if method in ("GET", "HEAD") and key.endswith(".flac")]
    monkeypatch.setattr(format_bias, "REMOTE_SAMPLE_SIZE", 6)
    assert validate(there, config).rejected == validate(here, config).rejected
    asked = store_server.requests(bucket)
    assert sum(asked[key] for key in asked if key[0] in ("GET", "HEAD") and key[1].endswith(".flac")) == 6


def test_missing_and_present_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "folder").mkdir()
    assert file_sizes([tmp_path / "a", tmp_path / "b", tmp_path / "folder"]) == {tmp_path / "a": 3}


@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_corpus_in_an_archive_is_the_same_corpus(tmp_path: Path, suffix: str) -> None:
    root = make_la(tmp_path / "LA")
    config = prep_config(root).corpus
    here = read_corpus(config, Path(), seed=0)
    archive = shutil.make_archive(str(tmp_path / "packed corpus"), suffix, root_dir=tmp_path, base_dir="LA")
    packed = read_corpus(config.model_copy(update={"root": archive}), Path(), seed=0)
    assert packed.identity == here.identity
    assert validate(packed, config).counts == validate(here, config).counts
    for copy, utterance in zip(local_copies([u.path for u in packed.utterances]), here.utterances, strict=True):
        assert isinstance(copy, Path)
        assert copy.read_bytes() == utterance.path.read_bytes()


def test_damage_inside_an_archive_is_told(tmp_path: Path) -> None:
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.wav", speech().tobytes())
    data = bytearray(archive.read_bytes())
    data[200] ^= 255
    archive.write_bytes(bytes(data))
    assert list(fetch_ahead([inside_archive(archive) / "a.wav"])) == ["damaged in its archive: Bad CRC-32"]


def test_missing_archive(tmp_path: Path) -> None:
    with pytest.raises(SpoofsweepError, match=r"an archive must be there"):
        to_path(f"zip://LA::file://{tmp_path}/none.zip")


def test_cut_archive(tmp_path: Path) -> None:
    archive = tmp_path / "packed.zip"
    archive.write_bytes(b"PK")
    with pytest.raises(SpoofsweepError, match=r"an archive must be there and whole.*packed\.zip"):
        inside_archive(archive)
