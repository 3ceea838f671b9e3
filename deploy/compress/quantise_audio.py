"""The real audio with which detectors are quantised."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cluster.errors import SpoofsweepError
from data_prep.audio_files import DECODABLE_SUFFIXES, audio_files_below
from data_prep.decode_error import DecodeError
from data_prep.decoding import decode
from deploy.detector_card import DetectorCard
from deploy.stream.samples import Wave

_FEWEST = 2


def draw_waves(cards: Sequence[DetectorCard], folder: Path, count: int) -> list[Wave]:
    """At most ``count`` files below ``folder`` that all forms of a detector can score, drawn at random but always
    alike, at its rate.

    Raises:
        SpoofsweepError: there are not two.
    """
    rate = cards[0].sample_rate
    shortest_s = max(card.window_samples + card.step_samples for card in cards) / rate
    files = audio_files_below(folder, DECODABLE_SUFFIXES)
    waves: list[Wave] = []
    for place in np.random.default_rng(0).permutation(len(files)):
        if len(waves) == count:
            break
        try:
            waves.append(decode(files[place], rate, min_duration_s=shortest_s))
        except DecodeError:  # `prep` has told of it, and another file does as well
            continue
    if len(waves) < _FEWEST:
        found = f"{len(waves)} usable files below {folder}"
        raise SpoofsweepError("quantisation needs real audio, best the training audio", found)
    return waves
