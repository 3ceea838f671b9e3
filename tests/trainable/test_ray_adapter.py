"""The actor is instantiated as Ray does it inside a worker, without starting Ray."""

import shutil
import weakref

import pytest
import torch

from cluster.errors import SpoofsweepError
from trainable.checkpoints.checkpoint import read_model
from trainable.checkpoints.lineage import Ancestor
from trainable.ray_adapter import TrialActor
from trainable.training.training import Training

TIMINGS = {"utterances_per_s", "epoch_s"}


@pytest.fixture
def make_config(toy_shards, toy_trial):
    def make(
        seed=1, output=None, shard_set_id="toy", folds=(), checkpoint=None, reported=0, fork=None, lineage=(), **changes
    ):
        return {
            "trial": toy_trial(budget_passes=2.0, **changes).model_dump(mode="json"),
            "seed": seed,
            "shards": str(toy_shards.folder),
            "shard_set_id": shard_set_id,
            "folds": [list(group) for group in folds],
            "device": "cpu",
            "gpu_share": 0.0,
            "num_threads": 1,
            "output": None if output is None else str(output),
            "checkpoint": None if checkpoint is None else str(checkpoint),
            "reported": reported,
            "lineage": [ancestor.model_dump(mode="json") for ancestor in lineage],
            "fork": None if fork is None else str(fork),
            "trial_number": 7,
        }

    return make


def begun(config):
    actor = TrialActor(config=config)
    actor.begin(config)
    actor._config = None
    return actor


def results(actor):
    """Steps to the end; timings left out."""
    steps = [actor.step()]
    while not steps[-1]["done"]:
        steps.append(actor.step())
    return [{key: value for key, value in step.items() if key not in TIMINGS} for step in steps]


def test_results_are_the_reports_laid_flat(make_config, toy_shards, toy_trial):
    reports = list(Training(toy_trial(budget_passes=2.0), toy_shards, seed=1))
    found = results(TrialActor(config=make_config()))
    assert [r["dev_eer"] for r in found] == [r.metrics["dev_eer"] for r in reports]
    assert [(r["samples_seen"], r["passes"], r["done"]) for r in found] == [(40, 1.0, False), (80, 2.0, True)]


def test_every_report_tells_the_size_and_if_asked_the_latency_of_a_model(make_config, toy_shards, toy_trial):
    """Measured once; the trial's numbers are the same. Over folds it is one model's."""
    model = Training(toy_trial(budget_passes=2.0), toy_shards, seed=1).model
    number = sum(parameter.numel() for parameter in model.parameters())
    plain = results(TrialActor(config=make_config()))
    measured = results(TrialActor(config=make_config() | {"measures_latency": True}))
    assert [result["num_parameters"] for result in (*plain, *measured)] == [number] * 4
    latencies = [result.pop("latency_ms") for result in measured]
    assert latencies[0] == latencies[1] > 0
    assert measured == plain
    folded = TrialActor(config=make_config(folds=(("A01",), ("A02",))))
    assert folded.step()["num_parameters"] == number


def test_a_reused_actor_gives_the_numbers_of_fresh_ones(make_config):
    other = {"model": {"channels": [6], "gru_size": 8, "pooling": "max"}}
    fresh = [results(TrialActor(config=make_config(1))), results(TrialActor(config=make_config(2, **other)))]
    actor = TrialActor(config=make_config(1))
    reused = [results(actor)]
    assert actor.reset_config(make_config(2, **other))
    reused.append(results(actor))
    assert reused == fresh


def test_features_stay_in_the_process_from_trial_to_trial(make_config):
    actor = begun(make_config(1))
    frames = actor._training.frames
    actor.begin(make_config(2, folds=[("A01",), ("A02",)]))
    assert all(training.frames is frames for training in actor._training.trainings)


def test_a_stopped_trial_leaves_nothing_to_the_next(make_config):
    actor = TrialActor(config=make_config(3))
    actor.step()
    actor.reset_config(make_config(1))
    assert results(actor) == results(TrialActor(config=make_config(1)))


@pytest.mark.parametrize("folds", [(), [("A01",), ("A02",)]], ids=["plain", "folds"])
def test_a_trial_goes_on_where_its_last_attempt_was(make_config, tmp_path, folds):
    whole = results(begun(make_config(folds=folds)))
    begun(make_config(folds=folds, checkpoint=tmp_path / "0001")).step()
    again = make_config(folds=folds, checkpoint=tmp_path / "0002", reported=whole[0]["samples_seen"])
    actor = begun(again)
    assert actor._training.history  # not from the beginning
    assert results(actor) == whole  # the last known report comes again
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001", "0002"]


def test_reports_that_never_arrived_come_before_new_ones(make_config, tmp_path):
    whole = results(TrialActor(config=make_config(checkpoint=tmp_path / "0001")))
    assert results(TrialActor(config=make_config(checkpoint=tmp_path / "0002"))) == whole
    assert not (tmp_path / "0002").exists()  # nothing was left to train


def test_without_a_checkpoint_it_begins_anew(make_config, tmp_path):
    whole = results(TrialActor(config=make_config()))
    assert results(TrialActor(config=make_config(checkpoint=tmp_path / "gone" / "0003", reported=40))) == whole


def test_a_fork_goes_on_from_its_parent_and_reports_what_follows(make_config, toy_trial, tmp_path):
    begun(make_config(checkpoint=tmp_path / "parent" / "0001")).step()
    lineage = (Ancestor(trial=toy_trial(budget_passes=2.0), seed=1, until=40),)
    changed = {"lineage": lineage, "optimizer": {"learning_rate": 0.02}}
    again = results(TrialActor(config=make_config(2, **changed)))
    assert [result["samples_seen"] for result in again] == [80]
    fork = {"fork": tmp_path / "parent" / "0001", **changed}
    first = make_config(2, checkpoint=tmp_path / "child" / "0001", **fork)
    actor = begun(first)
    assert actor._training.samples_seen == 40  # it does not repeat what its parent did
    assert results(actor) == again
    second = make_config(2, checkpoint=tmp_path / "child" / "0002", reported=80, **fork)
    assert results(begun(second)) == again
    other = make_config(2, **{**fork, "lineage": (lineage[0].model_copy(update={"seed": 5}),)})
    assert results(TrialActor(config=other)) != again  # the checkpoint is another training's, and of no use


def test_a_checkpoint_whose_replacement_was_cut_off_serves(make_config, tmp_path):
    begun(make_config(checkpoint=tmp_path / "0001")).step()
    (tmp_path / "0001").rename(tmp_path / ".0001.previous")
    assert begun(make_config(checkpoint=tmp_path / "0002", reported=40))._training.samples_seen == 40


@pytest.mark.parametrize("name", ["model.json", "training.safetensors"])
def test_a_damaged_checkpoint_is_passed_over(make_config, tmp_path, name):
    whole = results(begun(make_config()))
    begun(make_config(checkpoint=tmp_path / "0001")).step()
    shutil.copytree(tmp_path / "0001", tmp_path / "0002")
    (tmp_path / "0002" / name).write_bytes(b"{")
    actor = begun(make_config(checkpoint=tmp_path / "0003", reported=40))
    assert actor._training.samples_seen == 40
    assert results(actor) == whole


@pytest.mark.parametrize("changes", [{"seed": 2}, {"folds": [("A01",)]}])
def test_a_checkpoint_of_another_trial_is_passed_over(make_config, tmp_path, changes):
    begun(make_config(checkpoint=tmp_path / "0001", **changes)).step()
    assert begun(make_config(checkpoint=tmp_path / "0002"))._training.samples_seen == 0


def test_a_trial_without_room_for_its_checkpoint_goes_on(make_config, tmp_path):
    (tmp_path / "full").write_text("no folder can be made here")
    actor = TrialActor(config=make_config(checkpoint=tmp_path / "full" / "0001"))
    steps = [actor.step(), actor.step()]
    assert steps[1]["done"]
    assert all("no checkpoint at" in step["warning"] for step in steps)


@pytest.mark.parametrize("tiny_disk", ["8k"], indirect=True)
def test_on_a_full_disk_it_comes_to_its_end(make_config, tiny_disk):
    actor = TrialActor(config=make_config(checkpoint=tiny_disk / "0001", output=tiny_disk / "00007"))
    steps = [actor.step(), actor.step()]
    assert steps[1]["done"]
    assert "no checkpoint at" in steps[0]["warning"]
    assert "no model" in steps[1]["warning"]
    assert not list(tiny_disk.rglob("*.safetensors"))


def test_a_trial_over_folds_leaves_a_model_a_fold(make_config, tmp_path):
    whole = results(TrialActor(config=make_config(output=tmp_path / "00007", folds=[("A01",), ("A02",)])))
    assert {"dev_eer_fold0", "dev_eer_fold1"} <= whole[0].keys()
    assert [read_model(tmp_path / "00007" / fold)[0].held_out for fold in ("fold0", "fold1")] == [("A01",), ("A02",)]


def test_a_finished_trial_leaves_its_model(make_config, tmp_path):
    actor = TrialActor(config=make_config(output=tmp_path / "00007"))
    actor.step()
    assert not (tmp_path / "00007").exists()
    last = actor.step()
    record, _ = read_model(tmp_path / "00007")
    assert (record.dev_eer, record.samples_seen) == (last["dev_eer"], last["samples_seen"])


def test_a_trial_is_gone_before_the_next_begins(make_config):
    actor = begun(make_config(1))
    actor.step()
    ended = weakref.ref(actor._training), weakref.ref(actor._training.model)
    actor.begin(make_config(2))
    assert [ref() for ref in ended] == [None, None]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: PyTorch counts no memory on a CPU")
def test_gpu_memory_is_given_back(make_config):
    actor = TrialActor(config=make_config(1) | {"device": "cuda", "gpu_share": 0.5})
    held = []
    for seed in (2, 3, 4):
        actor.step()
        actor.cleanup()
        held.append(torch.cuda.memory_allocated())
        actor.setup(make_config(seed) | {"device": "cuda", "gpu_share": 0.5})
    torch.cuda.set_per_process_memory_fraction(1.0)
    assert held[0] == held[1] == held[2]


def test_memory_that_the_trial_before_still_holds_stops_the_next(make_config):
    actor = begun(make_config(1))
    held = [actor._training.model]
    with pytest.raises(SpoofsweepError, match=r"must leave no memory held .* held by list"):
        actor.begin(make_config(2))
    held.clear()


def test_running_out_of_memory_names_the_remedy(make_config):
    actor = begun(make_config())

    def run_out(module, args):
        raise torch.OutOfMemoryError("Tried to allocate 9 GiB")

    actor._training.model.register_forward_pre_hook(run_out)
    with pytest.raises(
        SpoofsweepError, match=r"a trial must fit the memory.*Tried to allocate 9 GiB; lower batch.size"
    ):
        actor.step()


def test_threads_follow_the_configuration(make_config):
    torch.set_num_threads(2)
    begun(make_config())
    assert torch.get_num_threads() == 1


def test_shards_of_another_study_are_refused(make_config):
    with pytest.raises(SpoofsweepError, match="toy"):
        begun(make_config(shard_set_id="another"))


def test_a_bad_trial_is_named(make_config):
    config = make_config()
    config["trial"]["loss"]["bonafide_weight"] = 0.0
    with pytest.raises(SpoofsweepError, match=r"trial 7: 'loss\.bonafide_weight'"):
        begun(config)


def test_a_diverged_trial_leaves_no_model(make_config, tmp_path):
    actor = begun(make_config(output=tmp_path / "00007"))
    with torch.no_grad():
        actor._training.model.classifier.head.bias.fill_(float("nan"))
    assert (actor.step()["done"], (tmp_path / "00007").exists()) == (True, False)
