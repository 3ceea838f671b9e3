"""A model folder put to work by torch: one audio file or array in, a verdict and its course over time out.

Legend: T samples of a wave, N frames, F feature bins, W windows.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from cluster.errors import SpoofsweepError
from data_prep.decoding import decode
from data_prep.features import FrontEnd
from data_prep.resampling import resample
from deploy.detection import Detection, Window, verdict_label
from deploy.stream.samples import checked_rate, checked_samples
from trainable.checkpoints.checkpoint import ModelRecord, read_model
from trainable.scores.scoring import WindowScore, score_features


class TorchDetector:
    """Scores audio exactly as validation scored the model.

    Attributes:
        record: everything that is known about the model.
        threshold: scores above it are bona fide; the validation set's EER point unless replaced.
    """

    def __init__(self, record: ModelRecord, model: nn.Module, threshold: float | None = None) -> None:
        """
        Raises:
            SpoofsweepError: there is no threshold, because the model was never validated, or diverged.
        """
        chosen = record.threshold if threshold is None else threshold
        if chosen is None:
            raise SpoofsweepError(
                "a detector needs a threshold", "a model that was never validated, or diverged", "give a threshold"
            )
        self.record = record
        self.threshold = chosen
        self._model = model.eval()
        self._front_end = FrontEnd(record.features).eval()

    @classmethod
    def load(cls, folder: Path | str, threshold: float | None = None) -> "TorchDetector":
        """Read a model folder.

        Raises:
            SpoofsweepError: the folder holds no model of a known format, or one without a threshold.
        """
        record, model = read_model(Path(folder))
        return cls(record, model, threshold)

    @property
    def sample_rate(self) -> int:
        """Hz of the audio that the model was trained on."""
        return self.record.features.sample_rate

    def score(self, wave_T: np.ndarray, sample_rate: int) -> Detection:
        """Score a mono wave; another sampling rate is converted.

        Args:
            wave_T: samples, ``[num_samples]``, see `checked_samples`.
            sample_rate: Hz.

        Raises:
            SpoofsweepError: the wave is no audio, or shorter than one analysis window.
        """
        wave_T = checked_samples(wave_T)
        duration_s = len(wave_T) / checked_rate(sample_rate)
        wave_T = resample(wave_T, sample_rate, self.sample_rate)
        if self._front_end.num_frames(len(wave_T)) == 0:
            window_ms = 1000 * self.record.features.window_samples / self.sample_rate
            found = f"{1000 * duration_s:g} ms, below one analysis window of {window_ms:g} ms"
            raise SpoofsweepError("audio must last long enough to be scored", found)
        with torch.inference_mode():
            feat_NF = self._front_end(torch.from_numpy(wave_T)[None])[0]
        # Shards hold float16: rounded alike, a file's score here is the one that validation gave it.
        feat_NF = feat_NF.half()
        course = self._course(
            score_features(self._model, feat_NF, self.record.trial.validation, self.record.features), duration_s
        )
        score = course[-1].running_score
        return Detection(verdict_label(score, self.threshold), score, self.threshold, duration_s, course)

    def score_file(self, path: Path) -> Detection:
        """Score an audio file.

        Raises:
            data_prep.decoding.DecodeError: the file holds no usable audio.
            SpoofsweepError: it is too short.
        """
        return self.score(decode(path, self.sample_rate), self.sample_rate)

    def _course(self, scores_W: list[WindowScore], duration_s: float) -> tuple[Window, ...]:
        """Windows in seconds; the frame grid may reach past the last sample, the times do not."""
        hop_s = self.record.features.hop_samples / self.record.features.sample_rate
        means_W = np.cumsum([window.score for window in scores_W]) / np.arange(1, len(scores_W) + 1)
        return tuple(
            Window(w.start_frame * hop_s, min(w.end_frame * hop_s, duration_s), w.score, float(mean))
            for w, mean in zip(scores_W, means_W, strict=True)
        )
