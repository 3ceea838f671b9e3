"""Studies of compression."""

import pytest
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from deploy.cli import app
from deploy.compress.compression import Compression, Point, front
from deploy.compress.compression_report import front_figure, front_table
from deploy.compress.pruning import Pruner, Rate
from deploy.stream.detector import Detector
from trainable.checkpoints.checkpoint import read_model, write_model


def point(number: int, eer: float, size_kb: float, latency_ms: float, precision: str = "int8") -> Point:
    return Point(number, Rate(eer, eer - 0.01, eer + 0.01), size_kb, latency_ms, 1000, precision)


POINTS = [point(0, 0.1, 50, 2.0), point(1, 0.2, 20, 1.0), point(2, 0.2, 30, 1.0, "float32"), point(3, 0.3, 20, 0.5)]


def test_the_front_is_what_nothing_dominates() -> None:
    assert [each.number for each in front(POINTS)] == [0, 1, 3]
    assert [each.number for each in front(POINTS[::-1])] == [0, 1, 3]
    assert len(front([POINTS[0], POINTS[0]])) == 2


def test_table_and_figure_show_the_front() -> None:
    assert front_table(front(POINTS)).row_count == 3
    figure = front_figure(POINTS)
    for axes in figure.axes:
        assert [text.get_text() for text in axes.texts] == ["0", "1", "3"]


@pytest.mark.long
def test_the_command_goes_on_with_a_study(trained, tmp_path) -> None:
    """PyTorch takes seconds to trace each trial's network."""
    words = ["compress", trained.folder, "--shards", trained.shards.folder, "--output", tmp_path, "--passes", 0.3]

    def run(trials: int) -> str:
        command = list(map(str, [*words, "--trials", trials]))
        return CliRunner().invoke(app, command, catch_exceptions=False).stdout

    assert "int8" in run(1)
    assert (tmp_path / "front.png").stat().st_size > 1000
    run(2)
    names = sorted(path.name for path in tmp_path.glob("trial-*"))
    assert names == ["trial-000", "trial-001"]
    run(2)
    assert sorted(path.name for path in tmp_path.glob("trial-*")) == names
    pruner = Pruner(trained.folder, trained.shards)
    first, second = Compression(pruner, tmp_path, 0.3).points()
    assert first.num_parameters > second.num_parameters  # all layers shrink alike to begin with
    record, _ = read_model(tmp_path / "trial-001")
    assert record.pruned_from[0].signature == pruner.record.signature
    detector = Detector.load(tmp_path / "trial-001" / "utterance.onnx")
    assert (detector.card.precision, detector.card.num_parameters) == (second.precision, second.num_parameters)


def test_another_models_study_is_not_gone_on_with(trained, tmp_path) -> None:
    Compression(Pruner(trained.folder, trained.shards), tmp_path / "study", 1.0)
    record, model = read_model(trained.folder)
    write_model(tmp_path / "other", record.model_copy(update={"signature": "another"}), model)
    with pytest.raises(SpoofsweepError, match="one model's study"):
        Compression(Pruner(tmp_path / "other", trained.shards), tmp_path / "study", 1.0)


def test_what_a_command_was_about_when_it_ended_early_is_queued_again(trained, tmp_path, monkeypatch) -> None:
    pruner = Pruner(trained.folder, trained.shards)
    interrupted = Compression(pruner, tmp_path, 1.0)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Pruner, "cut", interrupt)
    with pytest.raises(KeyboardInterrupt):
        interrupted.run(1)
    killed = Compression(pruner, tmp_path, 1.0)
    killed._study.ask()  # runs for ever, as far as the database knows
    for _ in range(2):
        trials = Compression(pruner, tmp_path, 1.0)._study.get_trials()
        assert [trial.state.name for trial in trials] == ["FAIL"] * 2 + ["WAITING"] * 3
        assert trials[3].system_attrs["fixed_params"] == trials[0].params
        assert trials[4].system_attrs["fixed_params"] == trials[1].system_attrs["fixed_params"]
