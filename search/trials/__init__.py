"""What is known of a trial, and told of it."""
