from pathlib import Path

import pytest

from cluster.errors import SpoofsweepError
from search.study.shipped import SHIPPED
from search.study.space import SearchSpace
from search.study.study import find_study, load_study

MINIMAL = '[study]\nname = "mini"\n[corpus]\nlayout = "manifest"\nroot = "manifest.csv"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_places_follow_from_the_file_and_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    study = load_study(write(tmp_path / "studies", MINIMAL))
    assert study.base == tmp_path / "studies"
    assert study.folder == tmp_path / "results" / "studies" / "mini"
    assert study.storage_url == f"sqlite:///{study.folder / 'optuna.db'}"
    assert study.tracking_uri == f"sqlite:///{tmp_path / 'results' / 'mlflow.db'}"


def test_output_expands_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    study = load_study(write(tmp_path, MINIMAL.replace("[corpus]", 'output = "${SCRATCH}/out"\n[corpus]')))
    assert study.output == tmp_path / "scratch" / "out"


def test_shards_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_study(write(tmp_path, MINIMAL)).shards_folder == tmp_path / "results" / "shards"
    elsewhere = load_study(write(tmp_path, MINIMAL + '[shards]\nstore = "s3://bucket/sets"\n'))
    assert str(elsewhere.shards_folder / "x") == "s3://bucket/sets/x"
    assert elsewhere.prep.store == "s3://bucket/sets"
    assert load_study(write(tmp_path, MINIMAL + '[shards]\nstore = "sets"\n')).shards_folder == tmp_path / "sets"


def test_output_must_be_on_disk(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, MINIMAL.replace("[corpus]", 'output = "s3://bucket/out"\n[corpus]')))
    with pytest.raises(SpoofsweepError, match=r"must be a folder on disk.*shards\.store"):
        _ = study.folder


def test_unknown_key_is_refused_with_the_nearest_valid_one(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL + "[trial.model]\ndroput = 0.5\n")
    with pytest.raises(
        SpoofsweepError, match=r"study file study.toml: unknown key 'trial.model.droput' \(did you mean"
    ):
        load_study(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[validation]\nwindow_s = 4.0\n", r"'validation.window_s' \(did you mean 'trial.validation.window_s'\?\)"),
        ("[trial.validation]\nfolds = 3\n", r"'trial.validation.folds' \(did you mean 'validation.folds'\?\)"),
        ("[space]\nmodel.dropout = { lo = 0, hi = 0.5 }\n", r"'space.model.dropout.lo' \(did you mean 'low'\?\)"),
        ("[[space]]\nlow = 0\n", "'space' = .*valid dictionary"),
        ("[cluster]\ngpus_per_trial = 1.5\n", "'cluster.gpus_per_trial' = 1.5: .*above 1 it must be whole"),
        ('[validation]\nhold_out_attacks = "A05"\n', r"'validation.hold_out_attacks' = 'A05': .*\[\"A05\"\]"),
        ("[validation]\nhold_out_attacks = 0\n", "'validation.hold_out_attacks' = 0: .*how many to draw"),
        ("[validation]\nhold_out_attacks = [5]\n", "'validation.hold_out_attacks' = .5.: .*give a list of names"),
    ],
)
def test_a_mistake_is_told_in_one_line_that_helps(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SpoofsweepError, match=complaint) as caught:
        load_study(write(tmp_path, MINIMAL + text))
    assert str(caught.value).count("\n") <= ("dropout" in text)


def test_class_weight_of_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoofsweepError, match=r"'trial.loss.bonafide_weight' = 0.0: .*greater than 0"):
        load_study(write(tmp_path, MINIMAL + "[trial.loss]\nbonafide_weight = 0.0\n"))


def test_space_keys_may_be_dotted_or_quoted(tmp_path: Path) -> None:
    dotted = (
        "[space]\nmodel.dropout = { low = 0.0, high = 0.5 }\n"
        "spec_augment.time_masks = { low = 0, high = 2 }\n"
        "spec_augment.time_mask_s = { low = 0.1, high = 0.2, when = { spec_augment.time_masks = [1, 2] } }\n"
    )
    quoted = (
        '[space]\n"model.dropout" = { low = 0.0, high = 0.5 }\n"spec_augment.time_masks" = { low = 0, high = 2 }\n'
        '"spec_augment.time_mask_s" = { low = 0.1, high = 0.2, when = { "spec_augment.time_masks" = [1, 2] } }\n'
    )
    spaces = [load_study(write(tmp_path, MINIMAL + text)).config.space for text in (dotted, quoted)]
    assert spaces[0] == spaces[1]
    assert spaces[0]["spec_augment.time_mask_s"].when == {"spec_augment.time_masks": [1, 2]}


def test_file_that_is_no_toml_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(SpoofsweepError, match=r"must be valid TOML; .*line 1"):
        load_study(write(tmp_path, "[study\n"))


def test_missing_file_names_the_shipped_studies(tmp_path: Path) -> None:
    with pytest.raises(SpoofsweepError, match="asvspoof2019-la, asvspoof5, demo"):
        load_study(tmp_path / "none.toml")


def test_augmentation_seed_is_the_studys_only_where_something_is_drawn(tmp_path: Path) -> None:
    seeded = MINIMAL.replace("[corpus]", "seed = 9\n[corpus]")
    assert load_study(write(tmp_path, seeded)).prep.seed == 0
    assert (
        load_study(write(tmp_path, seeded + '[augmentation.policies.noisy]\nsteps = [{ kind = "noise" }]\n')).prep.seed
        == 9
    )


POLICIES = """
[augmentation.policies.classic]
steps = [{ kind = "noise" }]
[augmentation.policies.rawboost]
steps = [{ kind = "rawboost" }]
"""


def test_policies_can_be_searched_and_be_off(tmp_path: Path) -> None:
    choices = '[[], ["classic"], ["classic", "rawboost"]]'
    study = load_study(write(tmp_path, MINIMAL + POLICIES + f"[space]\nbatch.policies = {{ choices = {choices} }}\n"))
    space = SearchSpace(study.config.space)
    space.check(study.config.trial)
    drawn = {space.apply(study.config.trial, {"batch.policies": text}).batch.policies for text in ("[]", '["classic"]')}
    assert drawn == {(), ("classic",)}


@pytest.mark.parametrize(
    "more",
    [
        '[trial.batch]\npolicies = ["rawbost"]\n',
        '[space]\nbatch.policies = { choices = [[], ["classic", "rawbost"]] }\n',
    ],
)
def test_policy_that_is_not_defined_is_refused_with_the_nearest(tmp_path: Path, more: str) -> None:
    expected = r"batch\.policies'? names 'rawbost'.*did you mean 'rawboost'\?"
    with pytest.raises(SpoofsweepError, match=expected) as caught:
        load_study(write(tmp_path, MINIMAL + POLICIES + more))
    assert "layout" not in str(caught.value)


def test_band_above_half_the_sampling_rate_is_refused(tmp_path: Path) -> None:
    band = '[augmentation.policies]\nthin.steps = [{ kind = "band", low_hz = [4000, 4000], high_hz = [5000, 6000] }]\n'
    assert load_study(write(tmp_path, MINIMAL + band)).config.augmentation.num_views == 1
    with pytest.raises(SpoofsweepError, match=r"policies\.thin: low_hz \[4000\.0, 4000\.0\]"):
        load_study(write(tmp_path, MINIMAL + band + "[features]\nsample_rate = 8000\n"))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_studies_load_and_their_spaces_are_sound(path: Path) -> None:
    study = load_study(find_study(path.stem))
    assert SearchSpace(study.config.space).check(study.config.trial) == []
