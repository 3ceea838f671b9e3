"""Figures of merit of scores: error rates, detection costs, tandem costs, calibration."""
