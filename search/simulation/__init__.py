"""Sweeps in virtual time, over learning curves in the place of training."""
