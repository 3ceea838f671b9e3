"""The MLflow model of an exported detector, as code: MLflow runs this file to load it, and nothing needs torch."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from deploy.detector_folder import ARTIFACT, UTTERANCE
from deploy.stream.detector import Detector


class ExportedDetectorModel(PythonModel):
    """Scores waves ``[batch, num_samples]``, float32 at the model's sampling rate, one row of the answer each."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the utterance form; MLflow finds this method by its name."""
        self._detector = Detector.load(Path(context.artifacts[ARTIFACT]) / UTTERANCE)

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Columns ``score`` (higher for bona fide) and ``label`` (``bonafide`` or ``spoof``)."""
        detections = [self._detector.score(wave_T, self._detector.sample_rate) for wave_T in model_input]
        return pd.DataFrame(
            {
                "score": [detection.score for detection in detections],
                "label": [detection.label for detection in detections],
            }
        )


mlflow.models.set_model(ExportedDetectorModel())
