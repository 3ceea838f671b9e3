"""Seeds of trainings, from the study's seed and what a training is."""

import hashlib

import numpy as np


def trial_seed(study_seed: int, number: int) -> int:
    """Seed of a trial, from the study's seed and the trial's number alone."""
    return int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])


def finalist_seed(study_seed: int, trial_number: int, seed_index: int) -> int:
    """A seed of its own for each retraining, unrelated to the trial's seed in the sweep."""
    digest = hashlib.sha256(f"finalist {study_seed} {trial_number} {seed_index}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
