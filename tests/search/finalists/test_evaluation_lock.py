"""Evaluation data decides nothing."""

import dataclasses
from collections.abc import Iterator

import pytest
from rich.console import Console

from data_prep.shards import ShardSet
from search.finale import conclude
from search.finalists.finalists import Finalist, read_finalist, score_path, standings
from search.reporting.report import StudyOutcome
from search.study.study import Study
from trainable.scores.score_file import read_scores


@pytest.fixture
def inverted(tiny_study: Study, tiny_shards: ShardSet, tiny_outcome: StudyOutcome) -> Iterator[list[Finalist]]:
    """The finalists of the session's study with negated eval scores: the best on eval are the worst now."""
    finalists = [finalist for standing in tiny_outcome.ranking for finalist in standing.finalists]
    paths = [score_path(finalist.folder, "eval") for finalist in finalists]
    before = [path.read_bytes() for path in paths]
    for path in paths:
        table = read_scores(path)
        dataclasses.replace(table, score=-table.score).write(path)
    folder, identity = tiny_study.folder / "finalists", tiny_shards.shard_set_id
    read_again = [read_finalist(finalist.candidate, folder, identity) for finalist in finalists]
    yield [finalist for finalist in read_again if finalist is not None]
    for path, content in zip(paths, before, strict=True):
        path.write_bytes(content)
    conclude(tiny_study, tiny_shards, Console(quiet=True))  # the report too as it was


def test_inverted_evaluation_scores_change_neither_ranking_nor_champion(
    inverted: list[Finalist], tiny_study: Study, tiny_shards: ShardSet, tiny_outcome: StudyOutcome
) -> None:
    ranking = standings(inverted)
    for standing, known in zip(ranking, tiny_outcome.ranking, strict=True):
        assert standing.mean_of("eval") == pytest.approx(1 - known.mean_of("eval"), abs=0.02)
    assert [standing.trial_number for standing in ranking] == [s.trial_number for s in tiny_outcome.ranking]
    again = conclude(tiny_study, tiny_shards, Console(quiet=True)).champion
    known = tiny_outcome.champion
    assert (again.run_id, again.version, again.finalist.candidate) == (
        known.run_id,
        known.version,
        known.finalist.candidate,
    )
