"""Detectors for phones: LiteRT files of models that can follow a stream."""
