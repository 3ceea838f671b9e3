import dataclasses
from pathlib import Path

import pytest
from mlflow import MlflowClient
from rich.console import Console

from cluster.errors import SpoofsweepError
from deploy.models import CHAMPION, resolve
from search.finale import conclude
from search.finalists.finalists import standings
from search.reporting.model_card import Provenance, chain_table, description, model_card
from search.reporting.registry import register_champion
from search.study.commands import Commands
from search.study.objective import EER, OBJECTIVES
from trainable.checkpoints.checkpoint import read_record
from trainable.checkpoints.lineage import Larger
from trainable.config import ModelConfig


@pytest.fixture
def client(tiny_study, tiny_outcome):
    return MlflowClient(tiny_study.tracking_uri, tiny_study.tracking_uri)


def test_champion_is_registered_under_the_studys_name(client, tiny_outcome):
    version = client.get_model_version_by_alias("tiny", CHAMPION)
    finalist = tiny_outcome.champion.finalist
    assert version.run_id == tiny_outcome.champion.run_id
    assert version.tags["spoofsweep.signature"] == finalist.record.signature
    assert float(version.tags["spoofsweep.dev_eer"]) == pytest.approx(finalist.dev_eer, abs=1e-6)
    assert float(version.tags["spoofsweep.eval_eer"]) == pytest.approx(finalist.summary("eval").eer, abs=1e-6)
    assert float(version.tags["spoofsweep.eval_min_dcf"]) == pytest.approx(finalist.costs("eval")["min_dcf"], abs=1e-6)


def test_champion_is_the_finalists_model(tiny_study, tiny_outcome):
    folder = resolve("champion@tiny", tiny_study.tracking_uri)
    assert read_record(folder) == tiny_outcome.champion.finalist.record


def test_card_names_every_stage(client, tiny_outcome, tiny_shards):
    card = client.get_model_version_by_alias("tiny", CHAMPION).description
    record = tiny_outcome.champion.finalist.record
    number = tiny_outcome.champion.finalist.candidate.trial_number
    stages = [tiny_shards.manifest.corpus_identity, record.shard_set_id, record.signature, record.code_version]
    calibration = record.calibration
    assert f"`{calibration.scale:.5g} * score " in card
    for identity in [*stages, f"tiny, {number}", tiny_outcome.champion.run_id, "version 1"]:
        assert identity in card


def test_run_holds_card_and_figures(client, tiny_outcome, tmp_path):
    run_id = tiny_outcome.champion.run_id
    paths = {file.path: file.file_size for file in client.list_artifacts(run_id, "champion")}
    assert set(paths) == {"champion/model_card.md", "champion/det.png", "champion/scores.png"}
    assert min(paths.values()) > 1000


def test_registering_the_same_champion_again_changes_nothing(tiny_study, tiny_shards, tiny_outcome, client):
    again = conclude(tiny_study, tiny_shards, Console(quiet=True))
    assert again.champion == tiny_outcome.champion
    assert len(client.search_model_versions("name = 'tiny'")) == 1


def test_the_card_follows_what_became_of_the_other_seeds(client, tiny_shards, tiny_outcome):
    champion = tiny_outcome.champion
    run_ids = {champion.finalist.candidate.name: champion.run_id}

    def cards(ranking):
        assert register_champion(client, "tiny", tiny_shards, ranking, run_ids) == champion
        logged = client.download_artifacts(champion.run_id, "champion/model_card.md")
        return client.get_model_version_by_alias("tiny", CHAMPION).description, Path(logged).read_text()

    for ranking, count in ((standings([champion.finalist]), 1), (list(tiny_outcome.ranking), 2)):
        for card in cards(ranking):
            assert f"Seeds of this configuration: {count}." in card


def test_the_card_tells_the_champions_own_attacks_from_the_folds_of_the_sweep(tiny_outcome):
    """The champion of a study over folds trains on all attacks."""
    finalist = tiny_outcome.champion.finalist
    candidate = dataclasses.replace(finalist.candidate, folds=(("A01",), ("A02", "A04")), fold_eer=0.1, fold_value=0.1)
    commands = Commands("tiny", "sqlite:///mlflow.db", Path("shards"))
    provenance = Provenance("layout", "corpus", "tiny", "run", "1", commands)
    table = chain_table(dataclasses.replace(finalist, candidate=candidate), provenance)
    assert "| attacks held out | `none` |" in table
    assert r"| folds of the sweep | `A01 \| A02, A04` |" in table


def test_the_card_tells_what_a_network_was_pruned_from(tiny_outcome):
    finalist = tiny_outcome.champion.finalist
    provenance = Provenance("layout", "corpus", "tiny", "run", "1", Commands("tiny", "sqlite:///m.db", Path("shards")))
    assert "pruned from" not in chain_table(finalist, provenance)
    larger = Larger(signature="abc", model=ModelConfig(), num_parameters=12345, samples_seen=1, dev_eer=0.1)
    record = finalist.record.model_copy(update={"pruned_from": (larger,)})
    table = chain_table(dataclasses.replace(finalist, record=record), provenance)
    assert "| pruned from | `abc with 12,345 parameters` |" in table


def test_the_card_says_by_what_the_champion_was_chosen(tiny_outcome):
    finalist = tiny_outcome.champion.finalist
    provenance = Provenance("layout", "corpus", "tiny", "run", "1", Commands("tiny", "sqlite:///m.db", Path("shards")))

    def card(objective):
        candidate = dataclasses.replace(finalist.candidate, objective=objective)
        return model_card(standings([dataclasses.replace(finalist, candidate=candidate)]), provenance)

    chosen = f"by dev minDCF, {finalist.record.history[-1].metrics['dev_min_dcf']:.4f}"
    assert chosen not in card(EER)
    assert chosen in card(OBJECTIVES["min_dcf"])


def test_a_description_is_no_longer_than_the_registry_takes():
    """MLflow's database has 5000 characters for it; PostgreSQL refuses more."""
    card = "\n\n".join(["# Title", "a" * 3000, "b" * 3000, "c"]) + "\n"
    text = description(card, "model_card.md of run 1")
    assert text == "# Title\n\n" + "a" * 3000 + "\n\nThe whole card: model_card.md of run 1\n"
    assert description(card[:5000], "elsewhere") == card[:5000]
    headed = "\n\n".join(["# Title", "a", "## Part", "### Detail", "b" * 5000]) + "\n"
    assert description(headed, "elsewhere") == "# Title\n\na\n\nThe whole card: elsewhere\n"
    assert description("# Title\n\n" + "a" * 5000, "elsewhere") == "The whole card: elsewhere\n"


def test_a_diverged_champion_is_refused(client, tiny_shards, tiny_outcome, tmp_path):
    unscored = dataclasses.replace(tiny_outcome.champion.finalist, folder=tmp_path)
    with pytest.raises(SpoofsweepError, match="must not diverge"):
        register_champion(client, "tiny", tiny_shards, standings([unscored]), {})


def test_another_champion_becomes_a_new_version_and_takes_the_alias(client, tiny_shards, tiny_outcome):
    losers = standings([tiny_outcome.ranking[1].best])
    run_ids = {}
    experiment = client.get_run(tiny_outcome.champion.run_id).info.experiment_id
    for run in client.search_runs([experiment], "tags.`spoofsweep.kind` = 'finalist'"):
        if run.data.tags["spoofsweep.signature"] == losers[0].best.record.signature:
            run_ids[losers[0].best.candidate.name] = run.info.run_id
    try:
        other = register_champion(client, "tiny", tiny_shards, losers, run_ids)
        assert other.version == "2"
        assert client.get_model_version_by_alias("tiny", CHAMPION).run_id == other.run_id
    finally:
        client.set_registered_model_alias("tiny", CHAMPION, "1")
        client.delete_model_version("tiny", "2")
