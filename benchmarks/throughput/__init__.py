"""The pipelines that benchmarks/training_throughput.py measures side by side."""
