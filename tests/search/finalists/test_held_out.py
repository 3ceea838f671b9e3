"""Studies with attacks held out, on the sample corpus, from the sweep to the champion.

Slow: two sweeps with their finalists, and each starts its own actors.
"""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console

from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from deploy.models import resolve
from search.finale import conclude
from search.launch import read_progress
from search.reporting.report import StudyOutcome, print_summary
from search.reproduce import reproduce
from search.study.study import Study
from search.sweep.sweep import run_sweep
from trainable.data.hold_out import samples_per_pass

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With an MLflow store of its own: other tests count the runs of theirs."""
    return tmp_path_factory.mktemp("held-out")


def study_with(tiny_study: Study, output: Path, name: str, **validation: Any) -> Study:
    """The session's small study with a policy: two trials, and one finalist."""
    values = tiny_study.config.model_dump()
    values["study"] |= {"name": name, "output": str(output)}
    values["search"]["num_trials"] = 2
    values["finalists"] = {"num_configs": 1, "num_seeds": 1}
    values["shards"]["store"] = str(tiny_study.shards_folder)
    values["validation"] = validation
    return Study(tiny_study.path, type(tiny_study.config).model_validate(values))


def swept(study: Study, shards: ShardSet) -> StudyOutcome:
    run_sweep(study, shards)
    return conclude(study, shards, Console(quiet=True))


@pytest.fixture(scope="module")
def folded(tiny_study: Study, tiny_shards: ShardSet, output: Path) -> tuple[Study, StudyOutcome]:
    study = study_with(tiny_study, output, "tiny-folds", folds=2)
    return study, swept(study, tiny_shards)


@pytest.fixture(scope="module")
def held_out(tiny_study: Study, tiny_shards: ShardSet, output: Path) -> tuple[Study, StudyOutcome]:
    study = study_with(tiny_study, output, "tiny-hold-out", hold_out_attacks=("A05",))
    return study, swept(study, tiny_shards)


def run_of(study: Study, trial: Any) -> Any:
    return MlflowClient(study.tracking_uri).get_run(trial.attributes["mlflow_run_id"])


def repeat(study: Study, shards: ShardSet, reference: str) -> Any:
    return reproduce(reference, study.tracking_uri, shards.folder, console=Console(quiet=True))


def text_of(outcome: StudyOutcome) -> str:
    console = Console(width=140, file=io.StringIO())
    print_summary(outcome, console, console.file)
    return console.file.getvalue()


def test_a_trial_is_the_mean_over_its_folds(folded, tiny_shards):
    study, outcome = folded
    folds = study.folds(tiny_shards.index)
    per_pass = samples_per_pass(tiny_shards.index, folds)
    assert outcome.horizon.samples_per_pass == per_pass > 132
    assert outcome.horizon.budget == 2 * per_pass
    for trial in outcome.trials:
        run = run_of(study, trial)
        metrics = run.data.metrics
        assert metrics["dev_eer"] == pytest.approx((metrics["dev_eer_fold0"] + metrics["dev_eer_fold1"]) / 2)
        assert json.loads(run.data.tags["spoofsweep.held_out"]) == [list(group) for group in folds]
        assert all(step >= number * per_pass for number, step in enumerate(sorted(trial.reports), 1))
    assert outcome.trials[0].samples_seen >= outcome.horizon.budget


def test_a_folded_trial_is_reproduced_bit_for_bit(folded, tiny_shards):
    study, outcome = folded
    result = repeat(study, tiny_shards, outcome.trials[0].attributes["mlflow_run_id"])
    assert result.verdict == "same"
    assert len(result.reproduced) == 2


def test_the_champion_of_folds_knows_all_attacks_and_says_what_chose_it(folded, tiny_shards):
    study, outcome = folded
    champion = outcome.champion.finalist
    assert champion.record.held_out == ()
    assert champion.candidate.fold_eer == outcome.summary.best.value
    assert set(champion.scores("dev").attack) == {"-", *(f"A0{n}" for n in range(1, 7))}
    assert repeat(study, tiny_shards, outcome.champion.run_id).verdict == "same"
    client = MlflowClient(study.tracking_uri)
    version = client.get_model_version(study.name, outcome.champion.version)
    assert version.tags["spoofsweep.held_out"] == ""
    card = version.description
    chosen = f"{100 * outcome.summary.best.value:.2f}%"
    for text in (card, (study.folder / "report" / "report.md").read_text(), text_of(outcome)):
        assert "over 2 leave-attack-out folds" in text
        assert chosen in text
    assert client.get_run(outcome.champion.run_id).data.metrics["fold_dev_eer"] == outcome.summary.best.value


def test_the_models_of_folds_are_no_single_detector(folded):
    study, outcome = folded
    with pytest.raises(SpoofsweepError, match="one for each fold of a trial"):
        resolve(outcome.summary.best.attributes["mlflow_run_id"], study.tracking_uri)


def test_a_study_goes_on_with_the_attacks_that_it_held_out(folded, tiny_study, tiny_shards, output):
    other = study_with(tiny_study, output, "tiny-folds", folds=3)
    with pytest.raises(SpoofsweepError, match="must go on with the held-out attacks it began with"):
        run_sweep(other, tiny_shards)


def test_finalists_do_without_the_attacks_that_trials_did_without(held_out, tiny_shards):
    study, outcome = held_out
    champion = outcome.champion.finalist
    assert champion.record.held_out == ("A05",)
    assert set(champion.scores("dev").attack) == {"-", "A05"}
    assert champion.candidate.fold_eer is None
    for reference in (outcome.trials[0].attributes["mlflow_run_id"], outcome.champion.run_id):
        assert repeat(study, tiny_shards, reference).verdict == "same"
    card = MlflowClient(study.tracking_uri).get_model_version(study.name, outcome.champion.version).description
    assert "Held out of training: A05." in card
    assert "| attacks held out | `A05` |" in card


def test_progress_says_what_the_dev_eer_is_about(folded, held_out):
    means = read_progress(folded[0])
    assert means.about.startswith("Dev EER is the mean over 2 leave-attack-out folds: A0")
    assert means.warnings == ()
    assert "no others: A05" in read_progress(held_out[0]).about


def test_policies_make_other_trials_of_the_same_configuration(tiny_outcome, folded, held_out):
    first = [outcome.trials[0] for outcome in (tiny_outcome, folded[1], held_out[1])]
    assert first[0].config == first[1].config == first[2].config
    assert first[0].seed == first[1].seed == first[2].seed
    assert len({trial.attributes["signature"] for trial in first}) == 3


def test_the_worst_attack_is_minimised_from_the_sweep_to_the_card(tiny_study, tiny_shards, output):
    """Over folds, so that each attack is judged by the model that never met it."""
    name, validation = "tiny-worst", {"folds": 2}
    study = study_with(tiny_study, output, name, **validation)
    search = study.config.search.model_copy(update={"objective": "worst_attack_eer"})
    study = Study(study.path, study.config.model_copy(update={"search": search}))
    outcome = swept(study, tiny_shards)
    best = outcome.summary.best
    assert best.value == best.attributes["metrics"]["dev_worst_attack_eer"] >= best.attributes["metrics"]["dev_eer"]
    candidate = outcome.champion.finalist.candidate
    eer = best.attributes["metrics"]["dev_eer"]
    assert (candidate.fold_value, candidate.fold_eer) == (best.value, eer)
    card = MlflowClient(study.tracking_uri).get_model_version(name, outcome.champion.version).description
    for text in (card, (study.folder / "report" / "report.md").read_text(), text_of(outcome)):
        assert "chosen by its worst attack EER over 2 leave-attack-out folds" in text
        assert f"{100 * best.value:.2f}%" in text
        assert f"{100 * eer:.2f}%" in text
    metrics = MlflowClient(study.tracking_uri).get_run(outcome.champion.run_id).data.metrics
    assert (metrics["fold_dev_worst_attack_eer"], metrics["fold_dev_eer"]) == (best.value, eer)
    assert "The study minimises the worst attack EER" in read_progress(study).about
    search = search.model_copy(update={"objective": "min_dcf"})
    (warning,) = read_progress(Study(study.path, study.config.model_copy(update={"search": search}))).warnings
    assert warning == "search.objective of the study file is min_dcf, the study began with worst_attack_eer"
    for reference in (best.attributes["mlflow_run_id"], outcome.champion.run_id):
        assert repeat(study, tiny_shards, reference).verdict == "same"
