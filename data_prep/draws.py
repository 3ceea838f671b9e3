"""Random draws that follow from what they are for, and never from the order of work or the number of workers."""

import hashlib
import json

import numpy as np


def generator(*facts: int | str) -> np.random.Generator:
    """A counter-based generator for what ``facts`` name, for instance seed, utterance and view; equal facts, equal
    draws."""
    return np.random.Generator(np.random.Philox(int.from_bytes(rank(*facts)[:16], "little")))


def rank(*facts: int | str) -> bytes:
    """A key that puts things into a random order: the SHA-256 of ``facts``, say seed and utterance."""
    return hashlib.sha256(json.dumps(facts).encode()).digest()
