"""Score and key files of the challenges, each in its own columns."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from trainable.cli import app
from trainable.metrics.detection_cost import act_dcf, cllr
from trainable.metrics.tandem_cost import min_adcf
from trainable.scores.score_file import is_verification_file, read_scores, read_verification_scores

SCORES = {"u1": 2.0, "u2": -1.0, "u3": 0.5}
KEY_FILES = {
    "pairs": "u1 bonafide\nu2 spoof\nu3 spoof\n",
    "asvspoof2015": "D1 u1 human human\nD1 u2 S1 spoof\nD2 u3 S2 spoof\n",
    "asvspoof2017": "u1 genuine M1 S01 - - -\nu2 spoof M1 S02 E1 P1 R1\nu3 spoof M2 S02 E2 P1 R1\n",
    "asvspoof2019": "LA_1 u1 - - bonafide\nLA_1 u2 - A07 spoof\nLA_2 u3 - A08 spoof\n",
    "asvspoof2021-la": (
        "LA_1 u1 alaw ita_tx bonafide bonafide notrim eval\nLA_1 u2 g722 ita_tx A07 spoof notrim eval\n"
        "LA_2 u3 alaw sin_tx A08 spoof notrim eval\nLA_2 u9 alaw sin_tx A08 spoof trim progress\n"
    ),
    "asvspoof2021-df": "".join(
        f"LA_1 {name} nocodec asvspoof {attack} {key} notrim eval voc - - - -\n"
        for name, attack, key in (("u1", "-", "bonafide"), ("u2", "A07", "spoof"), ("u3", "A08", "spoof"))
    ),
    "asvspoof5": (
        "E_1 u1 F - - - - bonafide bonafide -\nE_1 u2 M C01 1 s AC1 A17 spoof -\nE_2 u3 M C02 1 s AC2 A18 spoof -\n"
    ),
    "asvspoof5-package": "filename\tcm-label\nu1\tbonafide\nu2\tspoof\nu3\tspoof\n",
}


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def plain_scores(tmp_path: Path) -> Path:
    return write(tmp_path / "scores.txt", "".join(f"{name} {score}\n" for name, score in SCORES.items()))


@pytest.mark.parametrize("layout", KEY_FILES)
def test_keys_of_every_challenge(tmp_path: Path, plain_scores: Path, layout: str) -> None:
    table = read_scores(plain_scores, write(tmp_path / "keys.txt", KEY_FILES[layout]))
    assert table.utterance_id == list(SCORES)
    assert table.score.tolist() == list(SCORES.values())
    assert table.label.tolist() == ["bonafide", "spoof", "spoof"]
    assert table.attack[0] == "-"
    assert len(set(table.attack[1:])) == (1 if layout in ("pairs", "asvspoof2017", "asvspoof5-package") else 2)


def test_codec_and_speaker_come_from_the_keys(tmp_path: Path, plain_scores: Path) -> None:
    groups = read_scores(plain_scores, write(tmp_path / "keys.txt", KEY_FILES["asvspoof2021-la"])).groups
    assert groups["codec"].tolist() == ["alaw", "g722", "alaw"]
    assert groups["speaker"].tolist() == ["LA_1", "LA_1", "LA_2"]


def test_the_subset_of_the_published_figures_counts(tmp_path: Path) -> None:
    scores = write(tmp_path / "scores.txt", "u9 3.0\nu3 1.0\nu1 2.0\n")
    table = read_scores(scores, write(tmp_path / "keys.txt", KEY_FILES["asvspoof2021-la"]))
    assert table.utterance_id == ["u3", "u1"]
    assert table.score.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "text",
    [
        "filename\tcm-score\nu1\t2.0\nu2\t-1.0\nu3\t0.5\n",
        "spk filename cm-score asv-score sasv-score\nE_1 u1 2.0 0.1 0.2\nE_1 u2 -1.0 0.1 0.2\nE_2 u3 0.5 0.1 0.2\n",
        "u1,2.0\nu2,-1.0\nu3,0.5\n",
        "\nu1\tanything\t2.0\n\nu2 anything -1.0\nu3 anything 0.5\n",
    ],
)
def test_scores_in_other_columns(tmp_path: Path, text: str) -> None:
    keys = write(tmp_path / "keys.txt", KEY_FILES["pairs"])
    assert read_scores(write(tmp_path / "scores.txt", text), keys).score.tolist() == list(SCORES.values())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("u1 - bonafide 1.0\nu2 A01 spoof\n", "line 2"),
        ("u1 - target 1.0\n", "'target'.*line 1"),
        ("u1 - bonafide high\n", "'high'.*line 1.*score --help"),
        ("u1 - bonafide 1.0\nu2 A01 spoof nan\n", "must be finite.*'nan'.*line 2"),
        ("u1 1.0\n", "--keys"),
    ],
)
def test_malformed_scores_are_refused_with_the_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SpoofsweepError, match=complaint):
        read_scores(write(tmp_path / "scores.txt", text))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("u1 bonafide\nu2 spoof\n", "'u3'.*line 3"),
        ("u1 bonafide\nu2 spoof\nu3 maybe\n", "'maybe'.*line 3"),
        ("a b c\n", "3 columns.*score --help"),
    ],
)
def test_malformed_keys_are_refused(tmp_path: Path, plain_scores: Path, text: str, complaint: str) -> None:
    with pytest.raises(SpoofsweepError, match=complaint):
        read_scores(plain_scores, write(tmp_path / "keys.txt", text))


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoofsweepError, match="must exist"):
        read_scores(tmp_path / "none.txt")
    (tmp_path / "bytes").write_bytes(bytes(range(256)))
    with pytest.raises(SpoofsweepError, match="text file"):
        read_scores(tmp_path / "bytes")
    with pytest.raises(SpoofsweepError, match="text file"):
        read_scores(tmp_path)


def test_verification_scores_by_kind(tmp_path: Path) -> None:
    path = write(tmp_path / "asv.txt", "A07 spoof 0.5\nbonafide target 2.0\nbonafide nontarget -1.0\nA08 spoof 0.7\n")
    assert is_verification_file(path)
    target, nontarget, spoof = read_verification_scores(path)
    assert (target.tolist(), nontarget.tolist(), spoof.tolist()) == ([2.0], [-1.0], [0.5, 0.7])
    with pytest.raises(SpoofsweepError, match="nontarget"):
        read_verification_scores(write(path, "A07 spoof 0.5\nbonafide target 2.0\n"))


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_prints_the_published_figures(published_scores, shared_folder: Path, tmp_path: Path) -> None:
    """To every digit that it prints."""
    attacks, labels, values = published_scores
    lines = (
        f"u{i} {attack} {label} {value!r}\n"
        for i, (attack, label, value) in enumerate(zip(attacks, labels, values.tolist(), strict=True))
    )
    scores = write(tmp_path / "scores.txt", "".join(lines))
    pairs = np.fromfile(shared_folder / "vectors" / "asv_2019la_eval_scores.f32", "<f4").reshape(-1, 2).tolist()
    kinds = ("spoof", "nontarget", "target")
    asv = write(tmp_path / "asv.txt", "".join(f"- {kinds[int(kind)]} {value!r}\n" for value, kind in pairs))
    shown = run(scores, "--asv", asv, "--resamples", 10)
    for figure in (
        "all .* 0.83 ",
        "minDCF .* 0.0239 ",
        "actDCF .* 0.0710 ",
        "Cllr .* 0.0915 ",
        "2019 form .* 0.0275 ",
        "2021 form .* 0.0885 ",
        "A18 .* 2.61 ",
        "threshold 1.49343",
    ):
        assert re.search(figure, shown), figure


def test_the_command_shows_groups_and_the_interval_by_speaker(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names, codecs = [f"u{i}" for i in range(120)], ["alaw", "opus"]
    keys = "".join(
        f"LA_{i % 6} {name} {codecs[i % 2]} - {'bonafide bonafide' if i < 40 else 'A07 spoof'} notrim eval\n"
        for i, name in enumerate(names)
    )
    scores = "".join(f"{name} {rng.normal(1.5 * (i < 40))}\n" for i, name in enumerate(names))
    arguments = (write(tmp_path / "s.txt", scores), "--keys", write(tmp_path / "k.txt", keys))
    shown, printed = run(*arguments), json.loads(run(*arguments, "--json"))
    assert re.search(r"codec alaw .*\n.*codec opus ", shown)
    assert "by speakers and attacks: " in shown
    assert set(printed["by_group"]) == {"codec"}
    assert printed["by_group"]["codec"]["opus"]["num_bonafide"] == 20
    assert printed["group_interval"]["high"] > printed["eer"]


def test_the_command_calibrates_on_another_split(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def split(name: str) -> Path:
        kinds = [("- bonafide", 1), ("A1 spoof", -1)] * 300
        lines = [f"u{i} {kind} {0.2 * rng.normal(mean) + 3}\n" for i, (kind, mean) in enumerate(kinds)]
        return write(tmp_path / name, "".join(lines))

    scores, dev = split("eval.txt"), split("dev.txt")
    printed = json.loads(run(scores, "--calibrate", dev, "--json"))
    table = read_scores(scores)
    assert printed["act_dcf"] == act_dcf(table.bonafide, table.spoof)
    assert printed["cllr"] == cllr(table.bonafide, table.spoof)
    assert printed["act_dcf_calibrated"] < 0.7 * printed["act_dcf"]
    assert printed["cllr_calibrated"] < 0.7 < printed["cllr"]


def test_the_command_tells_the_adcf_of_joint_scores(tmp_path: Path) -> None:
    path = write(tmp_path / "sasv.txt", "s u1 2.0 target\ns u2 0.1 nontarget\ns u3 3.0 spoof\ns u4 1.0 target\n")
    expected = min_adcf([2.0, 1.0], [0.1], [3.0])
    assert f"{expected:.4f}" in run(path)
    assert json.loads(run(path, "--json")) == {"a-DCF": expected}


def test_flipped_polarity_is_told_with_the_figure_it_hides(tmp_path: Path) -> None:
    path = write(tmp_path / "s.txt", "u1 - bonafide -3\nu2 - bonafide -2\nu3 A1 spoof 1\nu4 A1 spoof 2\n")
    assert "EER would be 0.00%" in run(path).replace("\n", " ")
