import dataclasses
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from rich.console import Console

from cluster.errors import SpoofsweepError
from data_prep.error_rates import equal_error_rate
from search.finalists.candidates import Candidate, select
from search.finalists.finalist_runs import FinalistRuns, _named
from search.finalists.finalist_tasks import run_finalists
from search.finalists.finalist_training import train_finalist
from search.finalists.finalists import (
    Finalist,
    keys_path,
    read_finalist,
    score_path,
    standings,
)
from search.reporting.model_card import seeds
from search.reporting.report import champion_view, finalists_table
from search.reporting.score_tables import cost_section, error_rate_table, group_section
from search.study.config import FinalistsConfig
from search.trials.seeds import finalist_seed, trial_seed
from search.trials.trial_record import TrialRecord
from trainable.checkpoints.checkpoint import read_model, read_record
from trainable.config import TrialConfig
from trainable.data.feature_store import FeatureStore
from trainable.hardware.gpu_share import GpuShare
from trainable.metrics.calibration import fit_calibration
from trainable.scores.costs import detection_costs
from trainable.scores.scoring import score_store
from trainable.training.averaging import AveragingConfig


def trial(number, value, dropout=0.1, state="COMPLETE", **attributes):
    config = TrialConfig.model_validate({"model": {"dropout": dropout}}).model_dump(mode="json")
    return TrialRecord(number, state, {"model.dropout": dropout}, {10: value}, value, {"config": config, **attributes})


TRIALS = [
    trial(0, 0.30, 0.1),
    trial(1, 0.10, 0.2),
    trial(2, 0.05, 0.3, state="PRUNED"),
    trial(3, 0.20, 0.2),
    trial(4, 0.25, 0.4),
    trial(5, 0.01, 0.5, diverged=True),
]


def test_best_distinct_finished_configurations_with_all_their_seeds():
    chosen = select(TRIALS, FinalistsConfig(num_configs=2, num_seeds=2), study_seed=7)
    assert [(c.rank, c.trial_number, c.seed_index) for c in chosen] == [(1, 1, 1), (1, 1, 2), (2, 4, 1), (2, 4, 2)]
    assert [c.config.model.dropout for c in chosen] == [0.2, 0.2, 0.4, 0.4]


def test_fewer_configurations_than_wanted_are_no_mistake():
    assert {c.trial_number for c in select(TRIALS, FinalistsConfig(num_configs=9, num_seeds=1), 7)} == {0, 1, 4}


def test_stopped_trials_may_follow_those_that_came_further():
    stopped = [
        trial(6, None, 0.6, state="PRUNED", prune_rung=300),
        trial(7, None, 0.7, state="PRUNED", prune_rung=900),
        trial(8, None, 0.8, state="PRUNED"),
    ]
    stopped = [dataclasses.replace(t, reports={10: 0.01}) for t in stopped]
    config = FinalistsConfig(num_configs=9, num_seeds=1)
    chosen = select([*TRIALS, *stopped], config, 7, stopped_too=True)
    assert [c.trial_number for c in chosen] == [1, 4, 0, 7, 6]
    assert [c.trial_number for c in select(stopped, config, 7, stopped_too=True)] == [7, 6]


def test_nothing_finished_is_a_mistake():
    with pytest.raises(
        SpoofsweepError, match=r"completed without diverging; got none of 2 \(1 completed, all diverged"
    ):
        select([TRIALS[2], TRIALS[5]], FinalistsConfig(), 7)
    with pytest.raises(SpoofsweepError, match="got none of 1;"):
        select([TRIALS[2]], FinalistsConfig(), 7)


def test_seeds_are_distinct_and_not_the_sweeps():
    seeds = {finalist_seed(study, number, index) for study in range(3) for number in range(9) for index in (1, 2, 3)}
    assert len(seeds) == 81
    assert not seeds & {trial_seed(study, number) for study in range(3) for number in range(9)}
    assert finalist_seed(1, 2, 3) == finalist_seed(1, 2, 3)


def finalist(record, rank, index, dev_eer):
    candidate = Candidate(rank, 10 + rank, index, index, record.trial, {})
    threshold = None if dev_eer == 1.0 else 0.0  # 1.0 stands for a seed that diverged
    last = dataclasses.replace(record.history[-1], metrics={**record.history[-1].metrics, "dev_eer": dev_eer})
    changed = {"dev_eer": dev_eer, "threshold": threshold, "history": (*record.history[:-1], last)}
    return Finalist(candidate, None, record.model_copy(update=changed))


def test_the_best_mean_wins_not_the_luckiest_seed(tiny_outcome):
    record = tiny_outcome.champion.finalist.record
    eers = {1: (0.05, 0.35), 2: (0.12, 0.10)}
    ranking = standings([finalist(record, rank, i, eer) for rank in eers for i, eer in enumerate(eers[rank], 1)])
    assert [s.rank for s in ranking] == [2, 1]
    assert ranking[0].best.dev_eer == 0.10
    assert ranking[0].mean == pytest.approx(0.11)
    assert ranking[1].spread == pytest.approx(np.std([0.05, 0.35], ddof=1))


def test_a_diverged_seed_is_counted_but_in_no_mean(tiny_outcome):
    first = tiny_outcome.champion.finalist
    diverged = dataclasses.replace(first, record=finalist(first.record, 1, 2, 1.0).record)
    (standing,) = standings([first, diverged])
    assert (standing.num_diverged, standing.best) == (1, first)
    assert (standing.mean, standing.mean_of("eval"), standing.spread) == (first.dev_eer, first.summary("eval").eer, 0.0)
    assert seeds(standing) == "2, 1 diverged and in no mean"
    (hopeless,) = standings([diverged])
    assert hopeless.mean is hopeless.mean_of("eval") is None


def test_a_diverged_seed_is_no_advantage(tiny_outcome):
    record = tiny_outcome.champion.finalist.record
    eers = {1: (0.05, 1.0), 2: (0.12, 0.10), 3: (1.0, 1.0)}
    ranking = standings([finalist(record, rank, i, eer) for rank in eers for i, eer in enumerate(eers[rank], 1)])
    assert [s.rank for s in ranking] == [2, 1, 3]


def test_finalists_are_trained_to_the_end_and_scored(tiny_outcome, tiny_shards):
    finalists = [f for standing in tiny_outcome.ranking for f in standing.finalists]
    assert len(finalists) == 4
    assert len({f.candidate.seed for f in finalists}) == 4
    for f in finalists:
        assert f.record.history[-1].final
        assert f.splits == ("dev", "eval")
        dev = f.scores("dev")
        assert equal_error_rate(dev.bonafide, dev.spoof)[0] == f.dev_eer
        assert f.summary("dev").interval.low == f.record.history[-1].metrics["dev_eer_low"]
        assert len(f.scores("eval").score) == int((tiny_shards.index["split"] == "eval").sum())


def test_finalists_know_speakers_costs_and_their_calibration(tiny_outcome, tiny_shards):
    finalist = tiny_outcome.champion.finalist
    dev, eval_ = finalist.scores("dev"), finalist.scores("eval")
    speakers = tiny_shards.index.set_index("utterance_id")["speaker"]
    assert eval_.groups["speaker"].tolist() == speakers[eval_.utterance_id].tolist()
    assert finalist.record.calibration == fit_calibration(dev.bonafide, dev.spoof)
    assert finalist.costs("eval") == detection_costs(eval_, finalist.record.calibration)
    assert {f"dev_{name}" for name in ("min_dcf", "act_dcf", "cllr")} <= finalist.record.history[-1].metrics.keys()
    assert tiny_outcome.ranking[0].mean_cost("eval", "min_dcf") == pytest.approx(
        np.mean([f.costs("eval")["min_dcf"] for f in tiny_outcome.ranking[0].finalists])
    )
    assert tiny_outcome.ranking[0].mean_cost("eval", "min_tdcf_2019") is None  # nobody's speakers were verified


def test_a_folder_of_before_has_scores_but_no_groups(tiny_outcome, tmp_path):
    known = tiny_outcome.champion.finalist
    for split in known.splits:
        shutil.copy(score_path(known.folder, split), tmp_path)
    record = known.record.model_copy(update={"calibration": None})
    finalist = dataclasses.replace(known, folder=tmp_path, record=record)
    assert finalist.scores("dev").groups == {}
    assert finalist.summary("eval").eer == known.summary("eval").eer
    assert finalist.costs("eval").keys() == {"min_dcf", "act_dcf", "cllr"}
    assert not any("Calibrated" in part for part in cost_section(finalist))


def test_the_model_of_a_finalist_is_the_one_that_was_scored(tiny_study, tiny_shards, tmp_path):
    """Where weights are averaged, the average."""
    config = tiny_study.config.trial.model_copy(update={"averaging": AveragingConfig(kind="ema"), "budget_passes": 1.0})
    candidate = Candidate(1, 0, 1, 5, config, {})
    train_finalist(candidate, tiny_shards.folder, tiny_shards.shard_set_id, tmp_path, GpuShare("cpu", 0.0), 1)
    finalist = read_finalist(candidate, tmp_path, tiny_shards.shard_set_id)
    record, model = read_model(finalist.folder)
    store = FeatureStore(tiny_shards, "dev", torch.device("cpu"), clean_only=True)
    assert np.array_equal(score_store(model, store, config.validation, record.features), finalist.scores("dev").score)


def test_finished_finalists_are_not_trained_again(tiny_study, tiny_shards, tiny_outcome):
    finalists = [f for standing in tiny_outcome.ranking for f in standing.finalists]
    before = {f.folder: (f.folder / "model.json").stat().st_mtime_ns for f in finalists}
    told = []
    candidates = [f.candidate for f in finalists]
    folder = tiny_study.folder / "finalists"
    again = run_finalists(candidates, tiny_shards, folder, tiny_study.config.cluster, on_finished=told.append)
    assert again == finalists == told
    assert before == {f.folder: (f.folder / "model.json").stat().st_mtime_ns for f in again}


def test_a_finalist_of_another_seed_or_data_does_not_count(tiny_study, tiny_shards, tiny_outcome):
    candidate, folder = tiny_outcome.champion.finalist.candidate, tiny_study.folder / "finalists"
    assert read_finalist(candidate, folder, tiny_shards.shard_set_id) is not None
    assert read_finalist(dataclasses.replace(candidate, seed=1), folder, tiny_shards.shard_set_id) is None
    assert read_finalist(candidate, folder, "other") is None


def test_a_failed_training_names_its_finalist(tiny_study, tiny_shards, tiny_outcome, tmp_path):
    candidate = tiny_outcome.champion.finalist.candidate
    wrong = tmp_path / "file"
    wrong.write_text("no folder can be made below a file")
    with pytest.raises(
        SpoofsweepError, match=f"{candidate.name} must train to its end; got NotADirectoryError: .* Not a"
    ):
        run_finalists([candidate], tiny_shards, wrong / "finalists", tiny_study.config.cluster)


def test_runs_in_mlflow_hold_course_scores_and_model(tiny_study, tiny_outcome):
    client = MlflowClient(tiny_study.tracking_uri)
    experiment = client.get_experiment_by_name("spoofsweep").experiment_id
    runs, (parent,) = (
        client.search_runs([experiment], f"tags.`spoofsweep.kind` = '{kind}' and tags.`spoofsweep.study` = 'tiny'")
        for kind in ("finalist", "study")
    )
    assert len(runs) == 4
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {parent.info.run_id}
    by_signature = {run.data.tags["spoofsweep.signature"]: run for run in runs}
    for f in (f for standing in tiny_outcome.ranking for f in standing.finalists):
        run = by_signature[f.record.signature]
        course = client.get_metric_history(run.info.run_id, "dev_eer")
        assert {m.step: m.value for m in course} == {r.samples_seen: r.metrics["dev_eer"] for r in f.record.history}
        assert run.data.metrics["eval_eer"] == f.summary("eval").eer
        assert run.data.metrics["eval_eer/A10"] == f.summary("eval").by_attack["A10"]
        for split in f.splits:
            costs = {name: run.data.metrics[f"{split}_{name}"] for name in f.costs(split)}
            assert costs == pytest.approx(f.costs(split))
            assert {"min_dcf", "act_dcf_calibrated", "cllr_calibrated"} <= costs.keys()
        assert run.data.tags["spoofsweep.rank"] == str(f.candidate.rank)
        names = {file.path for file in client.list_artifacts(run.info.run_id, "scores")}
        assert names >= {f"scores/{split}.{kind}.txt" for split in ("dev", "eval") for kind in ("scores", "keys")}
    champion = tiny_outcome.champion.finalist
    for split in ("dev", "eval"):
        assert parent.data.metrics[f"champion_{split}_min_dcf"] == champion.costs(split)["min_dcf"]


def test_metrics_by_codec_and_by_speakers_and_attacks(tiny_study, tiny_outcome, tmp_path):
    """Of a corpus that tells codecs, and whose speakers are several."""
    known = tiny_outcome.champion.finalist
    for split in known.splits:
        table = known.scores(split)
        numbers = np.arange(len(table.score))
        groups = {"speaker": np.array(["s1", "s2"])[numbers % 2], "codec": np.array(["alaw", "opus"])[numbers // 2 % 2]}
        groups["codec"][(table.label == "spoof") & (numbers % 3 == 0)] = "gsm"
        dataclasses.replace(table, groups=groups).write_keys(keys_path(tmp_path, split))
        table.write(score_path(tmp_path, split))
    for name in ("model.json", "model.safetensors"):
        shutil.copy(known.folder / name, tmp_path)
    finalist = dataclasses.replace(known, folder=tmp_path)
    client = MlflowClient(tiny_study.tracking_uri)
    experiment = client.get_experiment_by_name("spoofsweep").experiment_id
    parent = client.create_run(experiment).info.run_id
    run_id = FinalistRuns(client, experiment, "tiny", parent).record(finalist)
    try:
        metrics, summary = client.get_run(run_id).data.metrics, finalist.summary("eval")
        assert metrics["eval_eer_codec/opus"] == summary.by_group["codec"]["opus"].eer
        assert metrics["dev_eer_codec/alaw"] == finalist.summary("dev").by_group["codec"]["alaw"].eer
        assert metrics["eval_eer_high_by_speaker_and_attack"] == summary.group_interval.high
        written = json.loads(Path(client.download_artifacts(run_id, "scores/eval.summary.json", tmp_path)).read_text())
        assert written["by_group"]["codec"]["opus"]["interval"]["low"] == summary.by_group["codec"]["opus"].interval.low
    finally:
        client.delete_run(run_id)
        client.delete_run(parent)
    card = "\n".join([error_rate_table(finalist), *group_section(finalist)])
    assert "| eval codec | EER |" in card
    assert "by speakers and attacks" in card
    assert f"| opus | {100 * summary.by_group['codec']['opus'].eer:.2f}% |" in card
    console = Console(width=200, file=io.StringIO())
    console.print(champion_view(dataclasses.replace(tiny_outcome.champion, finalist=finalist)))
    gsm = r"gsm \(against the bona fide of all\) \d+\.\d\d%"
    assert re.search(rf"eval codec +(opus|alaw) \d+\.\d\d%, .*{gsm}|eval codec +{gsm}, ", console.file.getvalue())
    assert "by speakers and attacks" in console.file.getvalue()


def test_names_that_mlflow_cannot_tell_apart_get_a_number():
    assert _named({"g.711": 1, "a/b": 2, "a:b": 3, "a_b": 4}) == [("g.711", 1), ("a_b", 2), ("a_b_2", 3), ("a_b_3", 4)]


def test_finalists_fit_a_narrow_terminal(tiny_outcome):
    """Also where there are folds, and a seed diverged."""
    good = tiny_outcome.champion.finalist
    candidate = dataclasses.replace(good.candidate, fold_eer=1.0, fold_value=1.0)
    lost = dataclasses.replace(good, record=good.record.model_copy(update={"threshold": None}), candidate=candidate)
    table = finalists_table(standings([dataclasses.replace(good, candidate=candidate), lost]))
    assert [column.header for column in table.columns][-2:] == ["mean eval EER", "mean eval minDCF"]
    console = Console(width=80, file=io.StringIO())
    console.print(table)
    words = console.file.getvalue().split()
    for word in ("champion", "trial", "100.00%", "diverged", "folds", "best", "eval", "minDCF", "mean"):
        assert word in words


def test_a_study_begun_anew_has_runs_of_its_own(tiny_study, tiny_outcome):
    client = MlflowClient(tiny_study.tracking_uri)
    experiment = client.get_experiment_by_name("spoofsweep").experiment_id
    parent = client.create_run(experiment).info.run_id
    run_id = FinalistRuns(client, experiment, "tiny", parent).record(tiny_outcome.champion.finalist)
    try:
        assert run_id != tiny_outcome.champion.run_id
        assert client.get_run(run_id).data.tags["mlflow.parentRunId"] == parent
        assert FinalistRuns(client, experiment, "tiny", parent).record(tiny_outcome.champion.finalist) == run_id
    finally:
        client.delete_run(run_id)
        client.delete_run(parent)


def test_model_folder_is_a_detectors(tiny_outcome):
    assert read_record(tiny_outcome.champion.finalist.folder).threshold is not None
