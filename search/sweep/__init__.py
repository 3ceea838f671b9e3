"""A sweep as it runs: the conductor of its trials, Ray Tune that executes them, and what keeps it from being lost."""
