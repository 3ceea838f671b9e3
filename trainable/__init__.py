"""One trial: feature store, models, losses, metrics, training loop, checkpoint. No Ray outside ``ray_adapter``."""
