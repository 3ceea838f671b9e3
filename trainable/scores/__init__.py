"""Scores of utterances: how they are made, summed up, reported, and read from the files of the field."""
