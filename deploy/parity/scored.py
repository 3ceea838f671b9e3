"""What the forms of a detector score the same utterances, and the processor time that it takes them.

Array names carry shapes: T samples.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cluster.errors import SpoofsweepError
from deploy.parity.audio import ParityAudio
from deploy.parity.contenders import Contender
from trainable.scores.scores import ScoreTable


@dataclass(frozen=True)
class Scored:
    """By name of the form; the utterances are the same in all tables."""

    tables: Mapping[str, ScoreTable]
    cpu_s: Mapping[str, float]
    audio_s: float
    rejected: Mapping[str, str]
    """Reasons by utterance that could not be scored."""

    @classmethod
    def of(cls, contenders: Sequence[Contender], audio: ParityAudio, utterances: pd.DataFrame) -> "Scored":
        """Decode each utterance once, and let every contender score it.

        Raises:
            SpoofsweepError: none can be decoded.
        """
        names = list(utterances["utterance_id"])
        kept: list[int] = []
        rejected: dict[str, str] = {}
        scores: dict[str, list[float]] = {one.name: [] for one in contenders}
        cpu_s = dict.fromkeys(scores, 0.0)
        num_samples = 0
        for place, wave_T in enumerate(audio.waves(utterances)):
            if isinstance(wave_T, str):
                rejected[names[place]] = wave_T
                continue
            kept.append(place)
            num_samples += len(wave_T)
            for one in contenders:
                start_s = time.process_time()
                scores[one.name].append(one.score(wave_T))
                cpu_s[one.name] += time.process_time() - start_s
        if not kept:
            raise SpoofsweepError("some utterances must be readable", f"{len(names)} files, none: {rejected[names[0]]}")
        rows = utterances.iloc[kept]
        tables = {name: ScoreTable.of(rows, np.array(values)) for name, values in scores.items()}
        return cls(tables, cpu_s, num_samples / audio.record.features.sample_rate, rejected)
