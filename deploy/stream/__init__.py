"""Puts an exported detector to work, on ONNX Runtime alone: files, and live audio as it comes."""
