"""The script that records learning curves, on the tiny study."""

from pathlib import Path

import pytest

from data_prep.shards import ShardSet
from search.pruning.horizon import horizon_of
from search.simulation.recorded_curves import RecordedCurves, read_curves, recorded_passes
from search.simulation.virtual_sweep import virtual_sweep
from search.study.space import SearchSpace
from search.study.study import Study

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.mark.long
def test_a_recording_goes_on_where_it_stopped_and_is_replayed(
    tiny_study: Study, tiny_shards: ShardSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that import torch, twice."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import record_curves

    path = tmp_path / "tiny.parquet"
    record_curves.record(tiny_study, tiny_shards, 1, 1, path)
    first = read_curves(path)
    record_curves.record(tiny_study, tiny_shards, 2, 1, path)
    reports = read_curves(path)
    assert reports[reports["config"] == 0].equals(first)  # its seconds, too: it was not trained again
    assert reports["config"].tolist() == [0, 0, 1, 1]
    assert (reports["seconds"].diff()[[1, 3]] > 0).all()
    assert reports["params"].nunique() == reports["seed"].nunique() == 2

    horizon = horizon_of(tiny_study.config, recorded_passes(reports))
    curves = RecordedCurves(reports, SearchSpace(tiny_study.config.space))
    trials = list(virtual_sweep(tiny_study.config, horizon, curves, num_workers=2, seed=1))
    assert len(trials) == tiny_study.config.search.num_trials
    assert {trial.dev_eer for trial in trials} <= set(reports["dev_eer"])
