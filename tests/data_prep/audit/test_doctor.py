"""A whole audit of a small corpus: planted faults are found, the page is safe and stands alone."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pandas
import pytest
import soundfile
from miniature import speech
from rich.console import Console

from data_prep.audit.doctor import Examination, examine
from data_prep.audit.page import write_page
from data_prep.audit.report import AuditReport
from data_prep.audit.terminal import print_report
from data_prep.config import CorpusConfig, PrepConfig
from data_prep.corpora import read_corpus

HOSTILE = "<script>alert(1)</script>"
HOSTILE_ATTACK = "$a_{<b>$&'\"[bold]"


def make_corpus(root: Path, per_class: int = 12) -> PrepConfig:
    """A CSV corpus in which spoofs alone begin with silence and one recording stands in two splits and both classes."""
    root.mkdir()
    lines = ["path,label,split,utterance_id,attack,speaker,codec"]
    for split_number, split in enumerate(("train", "dev")):
        for i in range(2 * per_class):
            label = "bonafide" if i < per_class else "spoof"
            name = f"{split}-{i}.flac"
            wave = speech(0.4, seed=100 * split_number + i)
            if label == "spoof":
                wave = np.concatenate([np.zeros(1600 + 80 * i, np.float32), wave])
            soundfile.write(root / name, wave, 16000)
            attack = "-" if label == "bonafide" else HOSTILE_ATTACK
            lines.append(f'{name},{label},{split},{split}{i},"{attack.replace(chr(34), chr(34) * 2)}",{split},amr')
    wave, rate = soundfile.read(root / "train-0.flac")
    soundfile.write(root / "copy.wav", wave, rate, subtype="PCM_24")
    (root / "broken.flac").write_text("text")
    lines += ["copy.wav,spoof,dev,copy,A99,dev,", f"broken.flac,spoof,dev,{HOSTILE},A99,dev,"]
    (root / "list.csv").write_text("\n".join(lines))
    return PrepConfig(corpus=CorpusConfig(layout="manifest", root=str(root / "list.csv")))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PrepConfig:
    return make_corpus(tmp_path_factory.mktemp("doctor") / "corpus")


@pytest.fixture(scope="module")
def examined(config: PrepConfig) -> Examination:
    return examine(config, Path(), study=f"study {HOSTILE}", seed=1, workers=1)


@pytest.fixture(scope="module")
def html(examined: Examination, config: PrepConfig, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_page(examined, config, tmp_path_factory.mktemp("page")).read_text()


def texts(report: AuditReport, severity: str) -> str:
    return "\n".join(finding.text for finding in report.findings if finding.severity == severity)


def test_duplicates_across_splits_and_labels_are_found(examined: Examination) -> None:
    found = examined.report.duplicates
    assert (found.groups, found.files, found.across_splits, found.across_labels) == (1, 2, 1, 1)
    (group,) = found.shown
    assert set(group.files) == {"train-0.flac", "copy.wav"}
    assert (group.splits, group.labels, group.same_file) == (("train", "dev"), ("bonafide", "spoof"), False)
    warnings = texts(examined.report, "warning")
    assert "1 recording found both as bona fide and as spoofed" in warnings
    assert "1 recording found in several splits" in warnings


def test_the_planted_shortcut_is_a_warning_with_its_number(examined: Examination) -> None:
    eers = {one.split: one.eer for one in examined.report.probes if one.cue == "leading silence"}
    assert max(eers.values()) < 0.15
    (warning,) = [one for one in examined.report.findings if "leading silence" in one.text]
    assert f"{eers['train']:.1%}" in warning.text
    assert "trim the silence" in warning.remedy


def test_a_broken_file_is_set_aside_with_its_reason(examined: Examination) -> None:
    (one,) = examined.report.rejected
    assert (one.utterance_id, one.split, one.file) == (HOSTILE, "dev", "broken.flac")
    assert one.reason == "not readable as audio: Format not recognised"
    assert (examined.report.files, examined.report.measured) == (50, 49)


def test_counts_spreads_and_formats(examined: Examination) -> None:
    report = examined.report
    by_class = {(row.split, row.label): row for row in report.splits}
    assert {key: row.files for key, row in by_class.items()} == {
        ("train", "bonafide"): 12,
        ("train", "spoof"): 12,
        ("dev", "bonafide"): 12,
        ("dev", "spoof"): 14,
    }
    assert by_class["dev", "spoof"].attacks == {HOSTILE_ATTACK: 12, "A99": 2}
    assert by_class["train", "bonafide"].speakers == 1
    (silence,) = [
        one
        for one in report.spreads
        if (one.measurement, one.split, one.label) == ("leading_silence_s", "train", "spoof")
    ]
    assert silence.smallest == pytest.approx(0.16, abs=0.011)
    assert {(row.container, row.told_channel): row.files for row in report.formats if row.split == "dev"} == {
        ("FLAC", "codec amr"): 12,
        ("WAV", ""): 1,
    }
    assert sum(row.files for row in report.bands) == report.measured


def test_an_unsound_corpus_is_examined_all_the_same(tmp_path: Path) -> None:
    config = make_corpus(tmp_path / "corpus", per_class=2)
    manifest = tmp_path / "corpus" / "list.csv"
    manifest.write_text(manifest.read_text().replace(",dev,dev", ",train,dev"))
    report = examine(config, Path(), study="s", seed=1, workers=1).report
    assert "split dev has no bonafide" in texts(report, "error")
    assert {one.remedy for one in report.findings if one.severity == "error"} == {"mend the corpus or its protocols"}
    assert report.probes == ()
    assert report.measured == 9


def test_a_corpus_of_broken_files_alone_has_a_page(tmp_path: Path) -> None:
    config = make_corpus(tmp_path / "corpus", per_class=1)
    for path in (tmp_path / "corpus").iterdir():
        if path.suffix in (".flac", ".wav"):
            path.write_text("text")
    found = examine(config, Path(), study="s", seed=1, workers=1)
    assert (found.report.measured, len(found.report.rejected)) == (0, 6)
    assert "No file could be measured" in write_page(found, config, tmp_path).read_text()


def test_report_and_table_round_trip(examined: Examination, tmp_path: Path) -> None:
    assert AuditReport.model_validate_json(examined.report.write(tmp_path).read_text()) == examined.report
    table = pandas.read_parquet(examined.write_table(tmp_path))
    assert table.utterance_id.tolist() == examined.table.utterance_id.tolist()
    assert "spectrum_db" not in table


def test_same_seed_same_report(examined: Examination, config: PrepConfig) -> None:
    again = examine(config, Path(), study=examined.report.study, seed=1, workers=1)
    assert again.report == examined.report


def test_the_draw_is_that_of_preparation(config: PrepConfig) -> None:
    corpus = config.corpus.model_copy(update={"max_utterances": {"train": 4, "dev": 4}})
    prep = config.model_copy(update={"corpus": corpus, "seed": 3})
    drawn = read_corpus(corpus, Path(), seed=3).utterances
    assert drawn != read_corpus(corpus, Path(), seed=0).utterances
    assert examine(prep, Path(), study="s", seed=1, workers=1).corpus.utterances == drawn


def test_a_sample_is_called_one(config: PrepConfig) -> None:
    report = examine(config, Path(), study="s", seed=1, workers=1, max_files=20).report
    assert report.chosen == 17  # shares of the five attacks and splits, rounded down
    assert "without 33 files" in texts(report, "note")


def test_the_page_fetches_nothing(html: str) -> None:
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]{0,30})""", html)
    assert len(addresses) > 10
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"url\(|@import|http:|https:|<script|<link|<iframe", html)


def test_the_page_escapes_hostile_names(html: str) -> None:
    assert HOSTILE not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 2
    assert "$a_{<b>" not in html
    assert "$a_{&lt;b&gt;$" in html


def test_pictures_and_sounds_are_what_they_claim(html: str, config: PrepConfig) -> None:
    embedded = re.findall(r'src="data:([a-z/+]+);base64,([^"]+)"', html)
    heads = {"image/svg+xml": b"<?xml", "image/webp": b"RIFF", "audio/flac": b"fLaC"}
    assert {kind for kind, _ in embedded} == set(heads)
    assert all(base64.b64decode(data).startswith(heads[kind]) for kind, data in embedded)
    assert sum(kind == "audio/flac" for kind, _ in embedded) == 6


def test_the_terminal_shows_numbers_and_remedies(examined: Examination) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    print_report(console, examined.report)
    shown = console.export_text()
    assert "50 files, 49 measured" in shown
    assert "leading silence (s)" in shown
    assert "FLAC PCM_16, 16000 Hz, 1 ch, codec amr" in shown
    assert "trim the silence" in shown
