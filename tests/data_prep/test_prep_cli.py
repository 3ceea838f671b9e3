"""The commands of this room."""

import shutil
from pathlib import Path

import pytest
import soundfile
from miniature import speech, train_file
from small_shards import write
from trees import TREES, write_audio
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from data_prep.cli import app
from data_prep.corpora import LAYOUTS

runner = CliRunner(env={"COLUMNS": "200"})


def invoke(*arguments: object) -> tuple[int, str]:
    result = runner.invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_inspect_recognises_the_layout(la_root: Path) -> None:
    code, printed = invoke("corpus", "inspect", la_root)
    assert code == 0
    assert f"asvspoof2019-la in {la_root}" in printed
    assert "no errors" in printed
    assert "speakers: train 1, dev 1, eval 1" in printed
    assert "not the published corpus: train has 6 of 25,380, dev has 6 of 24,844, eval has 6 of 71,237" in printed
    assert "dev: 0 of 2 attacks are not in train" in printed
    assert "warning: every attack of dev is in train" in printed


def test_inspect_exits_with_one_for_errors(la_root: Path) -> None:
    for number in range(3):
        train_file(la_root, number).unlink()
    code, printed = invoke("corpus", "inspect", la_root)
    assert code == 1
    assert "error: 3 of 6 files of train are missing" in printed


def test_inspect_a_corpus_for_evaluation_alone(tmp_path: Path) -> None:
    code, printed = invoke("corpus", "inspect", TREES["asvspoof2021-df"](tmp_path), "--subset", "hidden")
    assert code == 0
    assert "alone it cannot carry a study: split train is empty; split dev is empty" in printed


def test_inspect_reads_archives(la_root: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", la_root)
    code, printed = invoke("corpus", "inspect", archive)
    assert code == 0
    assert "asvspoof2019-la in zip://" in printed
    assert "speakers: train 1, dev 1, eval 1" in printed


@pytest.mark.parametrize("layout", [(), ("--layout", "asvspoof2019-la")])
def test_inspect_of_nothing(tmp_path: Path, layout: tuple[str, ...]) -> None:
    with pytest.raises(SpoofsweepError, match=r"root must exist.*correct the path"):
        invoke("corpus", "inspect", tmp_path / "nowhere", *layout)


def test_inspect_with_an_unknown_layout(la_root: Path) -> None:
    with pytest.raises(SpoofsweepError, match="asvspoof2019-la"):
        invoke("corpus", "inspect", la_root, "--layout", "asvspoof")


def test_inspect_stays_readable_with_many_attacks(tmp_path: Path) -> None:
    for number in range(40):
        write_audio(tmp_path / "spoof" / f"system{number:02d}" / "a.wav")
    write_audio(tmp_path / "spoof" / "system07" / "b.wav")
    write_audio(tmp_path / "real" / "a.wav")
    _, printed = invoke("corpus", "inspect", tmp_path)
    assert "40 attacks of 1 to 2: system07 2, system00 1, system01 1, system02 1..." in printed


def test_list_names_every_layout() -> None:
    code, printed = invoke("corpus", "list")
    assert code == 0
    assert all(name in printed for name in LAYOUTS)
    assert "train: 2,580 + 22,800" in printed


def test_convert_reports_failures_and_exits_with_one(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    soundfile.write(tmp_path / "source" / "a.wav", speech(), 44100)
    code, printed = invoke("convert", tmp_path / "source", tmp_path / "out", "--workers", 1)
    assert (code, soundfile.info(tmp_path / "out" / "a.flac").samplerate) == (0, 16000)
    (tmp_path / "source" / "b.mp3").write_text("text")
    code, printed = invoke("convert", tmp_path / "source", tmp_path / "out")
    assert code == 1
    assert "1 of 2 files are FLAC now" in printed
    assert "b.mp3: not readable" in printed
    assert str(tmp_path / "out" / "ledger.jsonl") in printed.replace("\n", "")


def test_convert_does_not_write_where_it_reads(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    soundfile.write(source / "a.flac", speech(), 44100)
    before = (source / "a.flac").read_bytes()
    (tmp_path / "link").symlink_to(source)
    for output in (source, source / "deep" / "flac16k", tmp_path / "link", tmp_path / "link" / "deep"):
        with pytest.raises(SpoofsweepError, match=r"outside that of their sources; got .*; name another"):
            invoke("convert", source, output)
    with pytest.raises(SpoofsweepError, match="outside that of their sources"):
        invoke("convert", source / "a.flac", source)
    assert {path.name: path.read_bytes() for path in source.iterdir()} == {"a.flac": before}


def test_convert_counts_by_format(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(3):
        soundfile.write(source / f"{number}.mp3", speech(12.0), 16000, format="MP3")
    soundfile.write(source / "a.wav", speech(12.0), 16000)
    (source / "bad\udcff\n.wav").write_text("text")

    def rows() -> dict[str, list[str]]:
        _, printed = invoke("convert", source, tmp_path / "out")
        assert "warning: bad\\udcff\\n.wav: not readable as audio" in printed
        cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if "│" in line]
        return {row[0]: row[1:] for row in cells}

    assert rows() == {
        "MP3": ["3", "0", "0", "0.010"],
        "16-bit WAV": ["1", "0", "0", "0.003"],
        "unknown": ["0", "0", "1", "0.000"],
    }
    assert rows()["MP3"] == ["0", "3", "0", "0.010"]


def test_convert_takes_one_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", speech(), 16000)
    assert invoke("convert", tmp_path / "a.wav", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / "a.flac").is_file()


def test_shards(tmp_path: Path) -> None:
    write(tmp_path)
    code, printed = invoke("shards", tmp_path)
    assert code == 0
    assert "0123456789abcdef" in printed
    assert "é: silent" in printed
