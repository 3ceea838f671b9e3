import pytest
import torch
from courses import assert_resumes_exactly, equal_weights, numbers, weights

from trainable.training.folds import begin
from trainable.training.training import Training


def test_a_rehearsal_leaves_no_trace(toy_shards, toy_trial):
    """Not even where it comes in the middle, with moments, averages and sums under way."""
    config = toy_trial(model={"dropout": 0.4}, batch={"mixup_alpha": 0.3}, averaging={"kind": "ema"})
    plain, rehearsed = Training(config, toy_shards, seed=2), Training(config, toy_shards, seed=2)
    assert rehearsed.rehearse() == 0  # bytes of a GPU
    for training in (plain, rehearsed):
        next(training)
        training.step()
    rehearsed.rehearse()
    assert numbers(rehearsed) == numbers(plain)
    assert equal_weights(weights(rehearsed), weights(plain))


def test_parts_of_a_batch_add_up_to_its_gradient(toy_shards, toy_trial):
    """Of a model without batch statistics and dropout; 8 utterances in parts of 3, 3 and 2, l1 counted once."""
    gradients = []
    for micro_size in (None, 3):
        batch = {"size": 8, "crop_s": 0.5, "micro_size": micro_size, "mixup_alpha": 0.4}
        still = {"dropout": 0.0, "cnn_dropout": 0.0}
        trial = toy_trial(batch=batch, model=still, optimizer={"l1": 1e-3}, precision="float32")
        training = Training(trial, toy_shards, seed=1)
        for module in training.model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.train = lambda mode=True, module=module: module  # never
                module.training = False
        training.step()
        loss, norm = training._step.loss_sum, training._step.norm_sum
        gradients.append([p.grad.clone() for p in training.model.parameters() if p.grad is not None] + [loss, norm])
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)


def test_a_training_in_parts_resumes_bit_for_bit(toy_shards, toy_trial, tmp_path):
    config = toy_trial(batch={"size": 8, "crop_s": 0.5, "micro_size": 3}, budget_passes=2.0)
    assert_resumes_exactly(config, toy_shards, tmp_path / "checkpoint", steps=3)


def test_the_plan_says_how_it_trains(toy_shards, toy_trial):
    training = Training(toy_trial(batch={"size": 8, "micro_size": 4}, precision="bf16"), toy_shards, seed=1)
    words = training.plan.split(", ")
    assert words[:3] == ["bf16", "eager", "4 of 8 utterances at a time"]
    assert words[3] == str(training.frames.placement)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_a_captured_step_gives_the_numbers_of_a_plain_one(toy_shards, toy_trial, precision):
    courses = []
    for execution in ("auto", "eager"):
        config = toy_trial(precision=precision, execution=execution, model={"dropout": 0.4}, budget_passes=2.0)
        training = Training(config, toy_shards, seed=1, device="cuda")
        courses.append((numbers(training), weights(training)))
    assert courses[0][0] == courses[1][0]
    assert equal_weights(courses[0][1], courses[1][1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("execution", ["auto", "eager"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_step_never_waits_for_the_gpu(toy_shards, toy_trial, precision, execution):
    options = {
        "spec_augment": {"time_masks": 1, "frequency_masks": 1},
        "batch": {"mixup_alpha": 0.3},
        "averaging": {"kind": "ema"},
    }
    config = toy_trial(precision=precision, execution=execution, budget_passes=3.0, **options)
    training = Training(config, toy_shards, seed=1, device="cuda")
    training.step()  # rehearses first
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            training.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_that_waits_runs_without_a_graph(toy_shards, toy_trial):
    training = Training(toy_trial(model={"dropout": 0.4}, budget_passes=1.0), toy_shards, seed=1, device="cuda")
    training.model.register_forward_hook(lambda _module, _inputs, logits: logits * float(logits.isfinite().all()))
    stream = torch.cuda.current_stream()
    assert list(training)[-1].final
    assert "eager (" in training.plan
    assert torch.cuda.current_stream() == stream


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_graphs_of_several_models_do_not_disturb_each_other(toy_shards, toy_trial):
    config = toy_trial(model={"dropout": 0.4}, budget_passes=2.0)
    alone = [weights_after(begin(config, toy_shards, 1, "cuda", (held_out,))) for held_out in (("A01",), ("A02",))]
    folded = begin(config, toy_shards, 1, "cuda", (("A01",), ("A02",)))
    assert list(folded)[-1].final
    for training, expected in zip(folded.trainings, alone, strict=True):
        assert equal_weights(weights(training), expected)


def weights_after(training):
    for _ in training:
        pass
    return weights(training)
