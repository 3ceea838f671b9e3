"""The real audio with which detectors are quantised."""

from pathlib import Path

import numpy as np

from cluster.errors import SpoofsweepError
from data_prep.audio_files import DECODABLE_SUFFIXES, audio_files_below
from data_prep.decode_error import DecodeError
from data_prep.decoding import decode
from deploy.detector_card import DetectorCard
from deploy.stream.samples import Wave

_FEWEST = 2


def draw_waves(card: DetectorCard, folder: Path, count: int) -> list[Wave]:
    """At most ``count`` usable files below ``folder``, drawn at random but always alike, at the detector's rate.

    Raises:
        SpoofsweepError: there are not two.
    """
    shortest = card.window_samples + card.step_samples
    waves: list[Wave] = []
    files = audio_files_below(folder, DECODABLE_SUFFIXES) if folder.is_dir() else []
    for place in np.random.default_rng(0).permutation(len(files)):
        if len(waves) == count:
            break
        try:
            wave_T = decode(files[place], card.sample_rate)
        except DecodeError:  # `prep` has told of it, and another file does as well
            continue
        if len(wave_T) >= shortest:
            waves.append(wave_T)
    if len(waves) < _FEWEST:
        found = f"{len(waves)} usable files below {folder}"
        raise SpoofsweepError("quantisation needs real audio, best the training audio", found)
    return waves
