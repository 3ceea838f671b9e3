import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from cluster.errors import SpoofsweepError
from data_prep.config import CorpusConfig
from data_prep.corpora import read_corpus
from data_prep.plan import shard_set_id
from search.planning.preview import preview
from search.planning.preview_tables import print_preview
from search.study.study import Study, load_study

STUDY = """
[study]
name = "preview"
output = "{output}"
[corpus]
layout = "asvspoof2019-la"
root = "{root}"
"""


@pytest.fixture
def load(study_of: Callable[[str, str], Study]) -> Callable[..., Study]:
    return lambda more="": study_of(STUDY, more)


def test_rungs_and_budget_are_counted_in_samples(load) -> None:
    study, unproven = "[trial]\nbudget_passes = 27\n", "[search]\nrung_trust = false\n"
    found = preview(load(study))
    assert found.horizon.budget == 27 * 132
    assert found.horizon.rungs == (132, 3 * 132, 9 * 132)
    assert preview(load(study + unproven)).horizon.rungs == (3 * 132, 9 * 132)
    assert not found.has_shards


def test_nothing_is_written(load, tmp_path: Path) -> None:
    preview(load())
    assert not (tmp_path / "out").exists()


def test_space_that_does_not_exist_stops_here(load) -> None:
    with pytest.raises(SpoofsweepError, match=r"'model.dropot'.*did you mean 'model.dropout'"):
        preview(load("[space]\nmodel.dropot = { low = 0.0, high = 0.5 }\n"))


def test_a_population_says_what_it_holds_and_needs_something_that_may_change(load) -> None:
    size, rate = "model.gru_size = { low = 8, high = 64 }\n", "optimizer.learning_rate = { low = 1e-4, high = 1e-2 }\n"
    search = '[search]\npruning = "population"\n[space]\n'
    with pytest.raises(SpoofsweepError, match=r"model\.gru_size, held fixed within a lineage"):
        preview(load(search + size))
    console = Console(width=200, file=io.StringIO())
    print_preview(preview(load(search + size + rate)), console)
    text = console.file.getvalue()
    assert "40 quasi-random members, 2 parameters" in text
    assert "model.gru_size held fixed within a lineage" in text


def test_what_the_sampler_leaves_to_another_is_said(load) -> None:
    space = "[space]\nmodel.dropout = { low = 0.0, high = 0.5 }\nmodel.bidirectional = { choices = [true, false] }\n"
    assert "leaves to TPE" in str(preview(load(space + "[search]\nsampler = 'cmaes'\n")).notes)
    with pytest.raises(SpoofsweepError, match="'cmaes' needs a range"):
        preview(load("[space]\nmodel.bidirectional = { choices = [true, false] }\n[search]\nsampler = 'cmaes'\n"))


def test_an_earlier_study_that_is_not_there_stops_here(load) -> None:
    with pytest.raises(SpoofsweepError, match="must have been started; got nowhere"):
        preview(load("[search]\nstart_from = ['nowhere']\n"))


def test_gpu_that_is_not_there_stops_here(load, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for setting in ("gpus_per_trial = 0.5", 'trials_per_gpu = "auto"'):
        with pytest.raises(SpoofsweepError, match=rf"need one that torch can use; got cluster.{setting} on a machine"):
            preview(load(f"[cluster]\n{setting}\n"))


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('trials_per_gpu = "auto"', "a share of a GPU (measured when the sweep begins), 1 CPU cores"),
        ("trials_per_gpu = 3", "1/3 GPU, 1 CPU cores"),
        ("trials_per_gpu = 1", " 1 GPU, 1 CPU cores"),
        ("gpus_per_trial = 0.5", "0.5 GPU, 1 CPU cores"),
    ],
)
def test_a_trials_part_of_a_gpu_is_told(load, setting: str, told: str) -> None:
    console = Console(width=140, file=io.StringIO())
    print_preview(preview(load(f'[cluster]\naddress = "elsewhere:6379"\n{setting}\n')), console)
    assert told in console.file.getvalue()


def test_first_trial_outside_of_the_space_is_told(load) -> None:
    found = preview(load("[space]\nmodel.dropout = { low = 0.5, high = 0.6 }\n"))
    assert len(found.notes) == 1
    assert "'model.dropout' = 0.3 in [trial] lies outside" in found.notes[0]


def test_what_is_held_out_is_told_without_shards(load) -> None:
    console = Console(width=140, file=io.StringIO())
    found = preview(load('[validation]\nhold_out_attacks = ["A05", "A02"]\n'))
    print_preview(found, console)
    (line,) = (line for line in console.file.getvalue().splitlines() if "A02, A05" in line)
    assert [int(cell) for cell in line.replace("│", " ").split() if cell.isdigit()] == [30, 68, 16, 16]
    assert found.horizon.samples_per_pass == 30 + 68


def test_folds_are_told_one_by_one(load) -> None:
    found = preview(load("[validation]\nfolds = 3\n"))
    assert sorted(name for d in found.divisions for name in d.held_out) == [f"A0{n}" for n in range(1, 7)]
    assert found.horizon.samples_per_pass == 3 * (30 + 68)


def test_spoofs_without_an_attacks_name_are_told_where_attacks_are_held_out(tmp_path: Path, sample_root: Path) -> None:
    corpus = read_corpus(CorpusConfig(layout="asvspoof2019-la", root=str(sample_root)), tmp_path, seed=0)
    rows = ["path,label,split,speaker,attack"]
    for u in corpus.utterances:
        attack = "" if u.attack == "A04" else u.attack
        rows.append(f"{u.path},{u.label},{u.split},{u.speaker},{attack}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    text = STUDY.format(output=tmp_path / "out", root="manifest.csv").replace("asvspoof2019-la", "manifest")

    def notes(more: str) -> tuple[str, ...]:
        (tmp_path / "study.toml").write_text(text + more)
        return preview(load_study(tmp_path / "study.toml")).notes

    number = sum((u.split, u.attack) == ("train", "A04") for u in corpus.utterances)
    (note,) = notes('[validation]\nhold_out_attacks = ["A05"]\n')
    assert note.startswith(f"{number} spoofs of train have no attack's name: they stay in training")
    assert notes("") == ()


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        ('hold_out_attacks = ["A7"]', "must name attacks of train; got 'A7'"),
        ("hold_out_attacks = 6", "6 of 6 held out"),
        ("folds = 7", "7 folds of 6 attacks"),
        ("folds = 2\nhold_out_attacks = 1", "either hold_out_attacks or folds"),
    ],
)
def test_a_policy_that_the_corpus_cannot_carry_stops_here(load, policy: str, complaint: str) -> None:
    with pytest.raises(SpoofsweepError, match=complaint):
        preview(load(f"[validation]\n{policy}\n"))


def test_drawn_corpus_follows_the_study_seed(tmp_path: Path, sample_root: Path) -> None:
    def draw(seed: int) -> Study:
        path = tmp_path / f"study{seed}.toml"
        text = STUDY.format(output=tmp_path / "out", root=sample_root) + "max_utterances = { train = 20 }\n"
        path.write_text(text.replace('name = "preview"', f'name = "preview"\nseed = {seed}'))
        return load_study(path)

    found = preview(draw(1))
    assert found.horizon.samples_per_pass == 20
    assert found.shard_set_id != preview(draw(2)).shard_set_id
    drawn = read_corpus(draw(1).config.corpus, draw(1).base, draw(1).prep.seed)
    assert found.shard_set_id == shard_set_id(draw(1).prep, drawn, draw(1).base)
