"""Cues that tell nothing stay near 50%, planted ones are found."""

import numpy as np
import pandas
import pytest

from data_prep.audit.findings import is_doubtful, probe_findings
from data_prep.audit.probes import CUES, KINDS, TOGETHER, Probe, probe

KINDS_COLUMNS = {"container": "FLAC", "coding": "PCM_16", "sample_rate": 16000, "channels": 1, "told_channel": ""}


def random_table(files: int = 400, splits: tuple[str, ...] = ("train", "dev"), seed: int = 0) -> pandas.DataFrame:
    """A quarter bona fide; every cue is drawn alike for both classes."""
    rng = np.random.default_rng(seed)
    table = pandas.DataFrame({column: rng.normal(size=files * len(splits)) for column in CUES.values()})
    table["split"] = np.repeat(splits, files)
    table["label"] = np.where(np.arange(len(table)) % 4, "spoof", "bonafide")
    return table.assign(clipped_share=0.0, **KINDS_COLUMNS)


def eers(table: pandas.DataFrame, cue: str) -> dict[str, float]:
    return {one.split: one.eer for one in probe(table, seed=1) if one.cue == cue}


def test_cues_that_tell_nothing_are_near_half() -> None:
    found = probe(random_table(), seed=1)
    assert {one.cue for one in found} == {*CUES, TOGETHER}
    assert all(0.4 < one.eer < 0.6 and one.low < one.eer < one.high for one in found)
    assert list(probe_findings(found)) == []


def test_a_constant_cue_is_guessing_and_not_the_official_eer_of_ties() -> None:
    assert eers(random_table(1200), "clipping") == pytest.approx({"train": 0.5, "dev": 0.5}, abs=0.05)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_shifted_cue_reaches_what_theory_says(sign: int) -> None:
    """Two normal classes a distance d apart: EER = Phi(-d / 2), 15.9% at d = 2."""
    table = random_table(1200)
    table["leading_silence_s"] += np.where(table.label == "bonafide", 2.0 * sign, 0.0)
    assert eers(table, "leading silence") == pytest.approx({"train": 0.159, "dev": 0.159}, abs=0.035)
    assert max(eers(table, TOGETHER).values()) < 0.2


def test_a_cue_in_the_middle_is_found_too() -> None:
    table = random_table()
    table.loc[table.label == "bonafide", "duration_s"] *= 0.1
    assert max(eers(table, "duration").values()) < 0.25


def test_a_spike_at_zero_is_found() -> None:
    table = random_table()
    table["leading_silence_s"] = np.where(
        (table.label == "spoof") & (table.index % 3 > 0), 0.0, np.abs(table.duration_s)
    )
    assert max(eers(table, "leading silence").values()) < 0.3


def test_a_format_of_one_class_is_found() -> None:
    table = random_table()
    table.loc[(table.label == "spoof") & (table.index % 8 > 0), "container"] = "MP3"
    assert max(eers(table, "file format").values()) < 0.2
    assert set(KINDS) - {one.cue for one in probe(table, 1)} == {"told channel"}


def test_a_cue_turned_round_is_above_half_and_warned_about() -> None:
    table = random_table()
    towards = np.where(table.split == "train", 1.5, -1.5)
    table["level_dbfs"] += np.where(table.label == "bonafide", towards, 0.0)
    assert eers(table, "level")["dev"] > 0.7
    texts = [finding.text for finding in probe_findings([one for one in probe(table, 1) if one.cue == "level"])]
    assert len(texts) == 2
    assert "on train" in texts[0]
    assert "on dev (50% is guessing); what train teaches about it is wrong there" in texts[1]


def test_without_train_a_split_is_judged_by_parts() -> None:
    table = random_table(splits=("eval",))
    table["duration_s"] += np.where(table.label == "bonafide", 3.0, 0.0)
    (found,) = [one for one in probe(table, 1) if one.cue == "duration"]
    assert (found.split, found.fitted_on) == ("eval", "eval")
    assert found.eer < 0.12


def test_a_split_with_few_files_of_a_class_is_left_out() -> None:
    assert {one.split for one in probe(pandas.concat([random_table(), random_table(36, ("eval",))]), 1)} == {
        "train",
        "dev",
    }


def test_depends_on_its_seed_alone() -> None:
    assert probe(random_table(100), 1) == probe(random_table(100), 1) != probe(random_table(100), 2)


@pytest.mark.parametrize(
    ("eer", "low", "high", "doubtful"),
    [(0.3, 0.25, 0.35, True), (0.45, 0.42, 0.48, False), (0.35, 0.1, 0.55, False), (0.7, 0.6, 0.8, True)],
)
def test_a_warning_needs_size_and_certainty(eer: float, low: float, high: float, doubtful: bool) -> None:
    assert is_doubtful(Probe(cue="level", split="dev", eer=eer, low=low, high=high, fitted_on="train")) == doubtful
