"""Proves that what is exported, quantised, pruned and streamed decides as the trained model did."""
