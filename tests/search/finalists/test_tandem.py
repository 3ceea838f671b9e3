"""t-DCF of finalists, where the corpus brings the scores of a speaker verification system."""

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from rich.console import Console

from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from search.finale import conclude
from search.finalists.finalist_runs import FinalistRuns
from search.finalists.tandem import NO_ASV, Tandem, read_tandem
from search.planning.preview import preview
from search.planning.preview_tables import print_preview
from search.reporting.report import StudyOutcome, print_summary
from search.study.study import Study
from trainable.metrics.tandem_cost import AsvErrorRates, asv_error_rates, min_tdcf_2019, min_tdcf_2021
from trainable.scores.score_file import read_verification_scores

FORMS = ("min_tdcf_2019", "min_tdcf_2021")


def write_asv_scores(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = [("bonafide target", 4.0), ("bonafide nontarget", -2.0), ("A01 spoof", 1.5)]
    lines = (f"{kind} {rng.normal(mean, 1.5)}\n" for kind, mean in kinds for _ in range(300))
    path.write_text("".join(lines))


@pytest.fixture
def verified(tiny_study: Study, sample_root: Path, tmp_path: Path) -> Study:
    """The session's study on a corpus that holds ASV scores besides."""
    for folder in sample_root.iterdir():
        (tmp_path / folder.name).symlink_to(folder)
    scores = tmp_path / "ASVspoof2019_LA_asv_scores"
    scores.mkdir()
    for seed, split in enumerate(("dev", "eval")):
        write_asv_scores(scores / f"ASVspoof2019.LA.asv.{split}.gi.trl.scores.txt", seed)
    corpus = tiny_study.config.corpus.model_copy(update={"root": str(tmp_path)})
    return Study(tiny_study.path, tiny_study.config.model_copy(update={"corpus": corpus}))


def test_error_rates_are_those_of_the_corpus(verified: Study, tmp_path: Path) -> None:
    tandem = read_tandem(verified)
    assert tandem.rates.keys() == {"dev", "eval"}
    path = tmp_path / "ASVspoof2019_LA_asv_scores" / "ASVspoof2019.LA.asv.eval.gi.trl.scores.txt"
    assert tandem.rates["eval"] == asv_error_rates(*read_verification_scores(path))


def test_a_corpus_without_them_has_none(tiny_study: Study) -> None:
    assert read_tandem(tiny_study).rates == {}


def test_scores_that_say_nothing_of_spoofs_are_refused(verified: Study, tmp_path: Path) -> None:
    path = tmp_path / "ASVspoof2019_LA_asv_scores" / "ASVspoof2019.LA.asv.dev.gi.trl.scores.txt"
    path.write_text("bonafide target 1.0\nbonafide nontarget 0.0\n")
    with pytest.raises(SpoofsweepError, match="spoof"):
        read_tandem(verified)
    with pytest.raises(SpoofsweepError, match="spoof"):  # before anything is computed
        preview(verified)


def test_scores_are_told_before_the_study_begins(verified: Study) -> None:
    console = Console(width=120, file=io.StringIO())
    print_preview(preview(verified), console)
    assert "ASV scores of dev, eval" in console.file.getvalue()


def test_finalists_have_both_forms(verified: Study, tiny_outcome: StudyOutcome) -> None:
    tandem = read_tandem(verified)
    finalist = dataclasses.replace(tiny_outcome.champion.finalist, tandem=tandem)
    for split in ("dev", "eval"):
        table = finalist.scores(split)
        expected = [cost(table.bonafide, table.spoof, tandem.rates[split]) for cost in (min_tdcf_2019, min_tdcf_2021)]
        assert [finalist.costs(split)[form] for form in FORMS] == expected


def test_dev_without_some_attacks_is_not_what_the_speaker_verification_saw(
    verified: Study, tiny_outcome: StudyOutcome
) -> None:
    known = tiny_outcome.champion.finalist
    record = known.record.model_copy(update={"held_out": ("A05",)})
    finalist = dataclasses.replace(known, record=record, tandem=read_tandem(verified))
    assert not finalist.costs("dev").keys() & set(FORMS)
    assert finalist.costs("eval").keys() >= set(FORMS)


def test_other_corpora_do_not_count(tiny_outcome: StudyOutcome) -> None:
    table = tiny_outcome.champion.finalist.scores("eval")
    corpus = np.where(np.arange(len(table.score)) % 2, "asvspoof2019-la", "itw")
    rates = AsvErrorRates(0.02, 0.03, 0.4)
    mixed = dataclasses.replace(table, corpus=corpus)
    own = table.score[1::2][table.label[1::2] == "bonafide"], table.score[1::2][table.label[1::2] == "spoof"]
    costs = Tandem("asvspoof2019-la", {"eval": rates}).costs("eval", mixed)
    assert costs["min_tdcf_2019"] == min_tdcf_2019(*own, rates)
    assert NO_ASV.costs("eval", mixed) == {}


@pytest.fixture
def concluded(
    verified: Study, tiny_study: Study, tiny_shards: ShardSet, tiny_outcome: StudyOutcome
) -> Iterator[StudyOutcome]:
    yield conclude(verified, tiny_shards, Console(quiet=True))
    conclude(tiny_study, tiny_shards, Console(quiet=True))  # report and card as they were


@pytest.mark.slow
def test_report_card_and_mlflow_tell_them(concluded: StudyOutcome, verified: Study) -> None:
    """Slow: concludes the study twice, the second time to leave it as it was."""
    champion = concluded.champion
    client = MlflowClient(verified.tracking_uri)
    console = Console(width=120, file=io.StringIO())
    print_summary(concluded, console, Path("report.md"))
    card = client.get_model_version("tiny", champion.version).description
    value = f"{champion.finalist.costs('eval')['min_tdcf_2019']:.4f}"
    for text in ((verified.folder / "report" / "report.md").read_text(), card, console.file.getvalue()):
        (row,) = (line for line in text.splitlines() if "min t-DCF, 2019 form" in line)
        assert value in row
        assert "min t-DCF, 2021 form" in text
    run = client.get_run(champion.run_id)
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert f"{parent.data.metrics['champion_eval_min_tdcf_2019']:.4f}" == value
    other = client.create_run(run.info.experiment_id).info.run_id  # the champion's own run was logged before
    run_id = FinalistRuns(client, run.info.experiment_id, "tiny", other).record(champion.finalist)
    try:
        assert client.get_run(run_id).data.metrics["dev_min_tdcf_2021"] == champion.finalist.costs("dev")[FORMS[1]]
    finally:
        client.delete_run(run_id)
        client.delete_run(other)


def test_nothing_is_said_of_them_otherwise(tiny_study: Study, tiny_outcome: StudyOutcome) -> None:
    assert "t-DCF" not in (tiny_study.folder / "report" / "report.md").read_text()
