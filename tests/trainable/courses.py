"""What two trainings that ought to be equal are compared by."""

import torch

TIMINGS = {"utterances_per_s", "epoch_s"}


def numbers(reports):
    """Everything about reports but how long they took."""
    return [
        (r.samples_seen, r.passes, r.final, {k: v for k, v in r.metrics.items() if k not in TIMINGS}) for r in reports
    ]


def weights(training):
    return {name: tensor.clone() for name, tensor in training.model.state_dict().items()}


def equal_weights(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)
