"""Makes a detector of a trained model: ONNX graphs, front end inside, with cards and thresholds; the MLflow model."""
