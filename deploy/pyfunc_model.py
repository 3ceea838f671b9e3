"""The MLflow model, as code: MLflow runs this file to load a registered model, so nothing is pickled.

Torch is imported for a model folder alone: an exported detector does without.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from deploy.detector_folder import ARTIFACT, UTTERANCE

if TYPE_CHECKING:
    from deploy.stream.detector import Detector
    from deploy.torch_detector import TorchDetector


class DetectorModel(PythonModel):
    """Scores waves ``[batch, num_samples]``, float32 at the model's sampling rate, one row of the answer each."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the exported detector or the model folder; MLflow finds this method by its name."""
        self._detector = _opened(Path(context.artifacts[ARTIFACT]))

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


def _opened(folder: Path) -> "Detector | TorchDetector":
    if (folder / UTTERANCE).is_file():
        from deploy.stream.detector import Detector

        return Detector.load(folder / UTTERANCE)
    from deploy.torch_detector import TorchDetector

    return TorchDetector.load(folder)


mlflow.models.set_model(DetectorModel())
