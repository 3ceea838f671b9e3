"""Trained models made smaller."""

import shutil

import pytest
import torch
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from deploy.cli import app
from deploy.compress.footprint import Footprint, Limits, largest_keep
from deploy.compress.importance import _batches, importance
from deploy.compress.pruning import FineTuning, Pruner, shrunk
from deploy.compress.slicing import widths_of
from trainable.checkpoints.checkpoint import read_model, write_model
from trainable.checkpoints.signature import trial_signature
from trainable.config import ModelConfig
from trainable.data.frames import Frames
from trainable.training.training import Training

SHORT = FineTuning(passes=0.5)


def test_a_unit_that_is_not_read_is_worth_nothing_and_goes_first(trained) -> None:
    record, model = read_model(trained.folder)
    widths = widths_of(model, record.trial.model)
    with torch.no_grad():
        model.blocks[1][0].weight[:, 2] = 0.0
        for tensor in (model.gru.weight_hh_l0, model.classifier.head.weight, model.classifier.pooling.hidden.weight):
            tensor[:, 5] = 0.0
        model.classifier.head.weight[:, 16 + 5] = 0.0  # of the deviations, behind the means of both directions
    values = importance(model, record, widths, trained.shards, Frames.of_training(trained.shards, torch.device("cpu")))
    silent = {name: (value_U == 0).nonzero().flatten().tolist() for name, value_U in values.items()}
    assert silent == {"channels[0]": [2], "channels[1]": [], "gru[0]": [5], "gru[0]_reverse": []}


def test_importance_is_the_slope_of_a_gate(trained) -> None:
    """By finite differences: a channel's output scaled where it is read, the squares of the loss's slopes averaged."""
    record, model = read_model(trained.folder)
    frames = Frames.of_training(trained.shards, torch.device("cpu"))
    (width, *_) = widths_of(model, record.trial.model)
    values = importance(model, record, [width], trained.shards, frames)[width.name]
    weight, channel, step = model.blocks[1][0].weight.data, 1, 1e-2

    def losses(gate: float) -> torch.Tensor:
        original = weight[:, channel].clone()
        weight[:, channel] *= gate
        loss, batches = _batches(record, trained.shards, frames)
        with torch.no_grad():
            result = torch.stack([loss(model(feat_BTF), label_B) for feat_BTF, label_B in batches])
        weight[:, channel] = original
        return result

    slopes = (losses(1 + step) - losses(1 - step)) / (2 * step)
    assert values[channel] == pytest.approx(float(slopes.square().mean()), rel=0.02)


def test_a_level_is_a_smaller_model_that_knows_where_it_comes_from(trained, tmp_path) -> None:
    pruner = Pruner(trained.folder, trained.shards)
    original, start = pruner.record, pruner.start()
    assert start.after.eer == original.dev_eer
    level = pruner.prune("half", shrunk(original.trial.model, 0.5), SHORT, tmp_path / "half")
    record, model = read_model(tmp_path / "half")
    assert (record.trial.model.channels, record.trial.model.gru_size) == ((2, 3), 8)
    assert level.footprint.num_parameters < start.footprint.num_parameters
    assert level.after.eer == record.dev_eer == record.history[-1].metrics["dev_eer"]
    (larger,) = record.pruned_from
    assert (larger.signature, larger.model, larger.dev_eer) == (
        original.signature,
        original.trial.model,
        original.dev_eer,
    )
    assert record.signature != trial_signature(record.trial, record.seed, record.shard_set_id)
    assert model(torch.randn(1, 30, record.num_bins)).shape == (1, 2)


def test_levels_go_on_from_each_other(trained, tmp_path) -> None:
    pruner = Pruner(trained.folder, trained.shards)
    whole = pruner.record
    for name, channels in (("first", (3, 6)), ("second", (3, 5))):
        target = whole.trial.model.model_copy(update={"channels": channels})
        pruner.prune(name, target, SHORT, tmp_path / name)
    assert [larger.model.channels for larger in pruner.record.pruned_from] == [(4, 6), (3, 6)]
    assert pruner.record.trial.optimizer == whole.trial.optimizer


def test_fine_tuning_begins_with_the_weights_that_are_there(trained) -> None:
    """Cut down to all of its units, a network scores as before."""
    pruner = Pruner(trained.folder, trained.shards)
    training = pruner.cut(pruner.record.trial.model, FineTuning(passes=1.0, learning_rate=1e-5))
    torch.testing.assert_close(training.score("dev").score, trained.dev_scores.score)
    assert training.config.optimizer.learning_rate == 1e-5
    next(training)
    assert not torch.equal(training.model.gru.weight_ih_l0, pruner.model.gru.weight_ih_l0)


def test_fine_tuning_resumes_with_its_origin(trained, tmp_path) -> None:
    pruner = Pruner(trained.folder, trained.shards)
    training = pruner.cut(shrunk(pruner.record.trial.model, 0.5), FineTuning(passes=2.0))
    training.step()
    training.save(tmp_path / "killed")
    resumed = Training.resume(tmp_path / "killed", trained.shards)
    assert resumed.signature == training.signature
    assert [report.metrics["dev_eer"] for report in resumed] == [report.metrics["dev_eer"] for report in training]


def test_mistakes_are_told(trained, tmp_path) -> None:
    record, model = read_model(trained.folder)
    write_model(tmp_path / "other", record.model_copy(update={"shard_set_id": "another"}), model)
    with pytest.raises(SpoofsweepError, match="with the shards that it was trained on"):
        Pruner(tmp_path / "other", trained.shards)
    with pytest.raises(SpoofsweepError, match="must be cpu, or cuda on a machine with a GPU; got gpu"):
        Pruner(trained.folder, trained.shards, "gpu")
    pruner = Pruner(trained.folder, trained.shards)
    with pytest.raises(SpoofsweepError, match="9 units in channels"):
        pruner.cut(record.trial.model.model_copy(update={"channels": (4, 9)}), SHORT)


def test_shares_leave_every_layer_something() -> None:
    small = shrunk(ModelConfig(channels=(2, 40), gru_size=20), 0.1)
    assert (small.channels, small.gru_size) == ((1, 4), 8)


def test_the_largest_share_within_limits() -> None:
    def footprint(keep: float) -> Footprint:
        return Footprint(int(1000 * keep), size_kb=100 * keep, latency_ms=2 * keep)

    assert largest_keep(Limits(size_kb=62), footprint) == 0.6
    assert largest_keep(Limits(size_kb=62, latency_ms=0.5), footprint) == 0.25
    with pytest.raises(SpoofsweepError, match=r"5\.0 kB"):
        largest_keep(Limits(size_kb=1), footprint)


@pytest.mark.long
def test_the_command_prunes_to_shares_and_a_limit(trained, tmp_path) -> None:
    """It measures as many networks as it takes to find the limit, and trains two."""
    shards = tmp_path / "shards"
    shutil.copytree(trained.shards.folder, shards)
    size_kb = Pruner(trained.folder, trained.shards).footprint_of_share(0.5).size_kb + 0.01
    options = ["--shards", shards, "--output", tmp_path / "out", "--passes", 0.2, "--keep", "0.9,0.3"]
    words = ["prune", trained.folder, *options, "--size-kb", size_kb]
    outcome = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert outcome.exit_code == 0
    assert [line.split()[0] for line in outcome.stdout.splitlines() if line][:3] == ["level", "unpruned", "keep-0.9"]
    names = sorted(folder.name for folder in (tmp_path / "out").iterdir())
    assert names[-1] == "keep-0.9"
    assert len(names) == 2
    assert read_model(tmp_path / "out" / names[0])[0].pruned_from


def test_a_level_does_not_replace_the_model_that_it_is_cut_out_of(trained, tmp_path) -> None:
    shutil.copytree(trained.folder, tmp_path / "keep-0.5")
    words = ["prune", tmp_path / "keep-0.5", "--shards", trained.shards.folder, "--output", tmp_path, "--passes", 1]
    with pytest.raises(SpoofsweepError, match="must stay"):
        CliRunner().invoke(app, list(map(str, [*words, "--keep", 0.5])), catch_exceptions=False)


@pytest.mark.parametrize("text", ["half", "1.5", "0"])
def test_shares_are_checked(text, trained, tmp_path) -> None:
    words = ["prune", trained.folder, "--shards", trained.shards.folder, "--output", tmp_path, "--passes", 1]
    with pytest.raises(SpoofsweepError, match="--keep"):
        CliRunner().invoke(app, list(map(str, [*words, "--keep", text])), catch_exceptions=False)
