"""A study on a cluster: examined, rendered, submitted."""
