"""Puts a trained model to work: the detector package, scoring of files, and the MLflow model. Runs without Ray."""
