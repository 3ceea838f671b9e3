"""The best configurations, trained again with several seeds."""
