"""Optuna's storage: opened, in a database that may go away for a while, or in memory."""
