"""The study file: its settings, its search space, and where everything of it lies."""
