"""A trained model on disk, and what makes a trial the one it is."""
