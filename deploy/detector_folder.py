"""Names of the files in an exported detector's folder, and of the folder in a registered model."""

ARTIFACT = "detector"
"""Among the registered model's own ``artifacts``."""
UTTERANCE = "utterance.onnx"
STREAM = "stream.onnx"
"""Only of a model that can follow a stream."""
CARD = "card.json"
"""For people; the ONNX files hold their own."""
MODEL_FILES = ("model.json", "model.safetensors")
"""What retraining begins from."""
