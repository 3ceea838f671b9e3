"""The record of a study, and what is read from it."""
