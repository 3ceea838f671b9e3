"""What MLflow is told of a sweep, as it runs."""
